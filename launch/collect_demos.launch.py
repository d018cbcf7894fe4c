# SPDX-License-Identifier: Apache-2.0
"""Demonstrations on a rig: `ros2 launch launch/collect_demos.launch.py rig:=sim_xarm6 task:=place_orange`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zprl_bringup.launching import description

if TYPE_CHECKING:
    from launch import LaunchDescription


def generate_launch_description() -> LaunchDescription:
    """The graph, once its arguments are known; `ros2 launch ... --show-args` lists them."""
    return description("collect")
