# SPDX-License-Identifier: Apache-2.0
"""Skips this folder where ROS 2 is not installed."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("zprl_interfaces")
