# SPDX-License-Identifier: Apache-2.0
"""What the policy node tells: each arm its part of a chunk, all of the plan, and how the steering is."""

from __future__ import annotations

import math

import numpy as np
from rclpy.qos import QoSProfile
from zprl_interfaces.msg import ActionChunk, PlannedChunk, SteeringStatus

from policy_node import guarded, messages
from zprl_bringup import convert, qos
from zprl_bringup.node import LifecycleNode, Setup
from zprl_core.effects import SendChunk
from zprl_core.errors import DataError


class Outlets:
    """Publishers, and what they are given as messages.

    Args:
        node: that they belong to. setup: of the session. profile: QoS of chunks and plans.

    Attributes:
        commands: by arm, the publishers of /arms/<arm>/command.
    """

    def __init__(self, node: LifecycleNode, setup: Setup, profile: QoSProfile) -> None:
        self._node, self._setup = node, setup
        self.commands = {
            arm.name: node.create_publisher(ActionChunk, f"/arms/{arm.name}/command", profile)
            for arm in setup.rig.arms
        }
        self._plans = node.create_publisher(PlannedChunk, "/policy/plan", profile)
        self._status = node.create_publisher(SteeringStatus, "/policy/status", qos.status())
        self._told, self._beyond = SteeringStatus(), False

    def chunk(self, send: SendChunk, mode: str, observed_ns: int, start_ns: int, inference_s: float) -> None:
        """A chunk, and all that it was planned from; see `messages.planned_chunk`.

        Raises:
            DataError: it is not finite; nothing was sent.
        """
        if not np.isfinite(send.plan.actions).all():
            raise DataError(
                f"episode {send.episode}, chunk {send.chunk}: the policy planned numbers that are not "
                "finite; nothing was sent and the arm holds. Check the actor's checkpoint and lambda"
            )
        run_id, task, arms = self._setup.run_id, self._setup.task, self._setup.rig.arms
        width = task.action.dim // len(arms)
        for index, arm in enumerate(arms):
            columns = slice(index * width, (index + 1) * width)
            part = messages.chunk_message(send, columns, start_ns, task.waypoint_s, run_id, arm.frame)
            self.commands[arm.name].publish(part)
        self._plans.publish(messages.planned_chunk(send, mode, observed_ns, start_ns, inference_s, run_id))

    def status(self, send: SendChunk, start_ns: int, inference_s: float, stalls: int) -> None:
        """The account of a chunk that was sent; what is new about the guard is in the log too."""
        self._told = messages.steering_status(send, start_ns, inference_s, stalls)
        self._status.publish(self._told)
        if math.isnan(send.plan.guard.rms_ratio):
            return
        if text := guarded.news(send, self._beyond):
            self._node.get_logger().warning(text)
        self._beyond = bool(send.guard.beyond)

    def held(self, now_ns: int, reason: str) -> None:
        """Nothing is planned, for this reason; with the last chunk's numbers."""
        self._told.header, self._told.held = convert.header(now_ns), reason
        self._status.publish(self._told)
