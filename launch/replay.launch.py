# SPDX-License-Identifier: Apache-2.0
"""Replay of bags: `ros2 launch launch/replay.launch.py bag:=runs/my/run/bags policy:=runs/my/run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zprl_bringup.launching import replay_description

if TYPE_CHECKING:
    from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    """Player and policy node, once their arguments are known; `ros2 launch ... --show-args` lists them."""
    return replay_description()
