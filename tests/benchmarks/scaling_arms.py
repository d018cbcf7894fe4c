"""What the bridges of one rig do for each chunk, without their processes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from zprl_interfaces.msg import ActionChunk

from zprl_arms import messages
from zprl_arms.controller import ArmController
from zprl_arms.posture import Posture
from zprl_bringup import convert
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.config import ArmConfig, RigConfig, load_rig, load_task
from zprl_core.grid import SECOND_NS
from zprl_core.kinematics import ArmKinematics
from zprl_core.trajectory import Setpoint

RIG, TASK = load_rig("dual_open_box"), load_task("open_box")
CODEC = ActionCodec.from_config(TASK.action).single_arm()
LIFT_M, WIDTH_M, AHEAD_NS = 0.04, 0.085, SECOND_NS // 10
PERIOD_NS = 2 * SECOND_NS
"""Between chunks: longer than one, so that each begins with the arms at home."""


class Bridge:
    """One arm of a rig, with the chunk that lifts its tool and lowers it again."""

    def __init__(self, rig: RigConfig, arm: ArmConfig) -> None:
        self.name, self._frame = arm.name, arm.frame
        self.home = np.array(arm.homing.joints_rad)
        self.tool = ArmKinematics(arm.model, arm.tool).forward(self.home)
        self._start = Setpoint.at(self.tool, WIDTH_M)
        self.posture = Posture(rig, arm, self.home)
        self.controller = ArmController(
            arm, TASK, "run", self._start, posture=self.posture, streams_joints=True
        )
        h = TASK.action.chunk
        lift = LIFT_M * np.sin(np.pi * np.arange(1, h + 1) / h)
        position = self.tool.position + lift[:, None] * np.array([0.0, 0.0, 1.0])
        way = ArmWaypoints(position, np.tile(self.tool.quaternion, (h, 1)), np.full(h, WIDTH_M))
        self._actions = convert.doubles(CODEC.encode([way]))

    def rest(self, now_ns: int) -> None:
        """The arm is at home, and the session runs."""
        self.controller.reset(self._start)
        self.controller.on_session("running", 0, now_ns, self._start)

    def message(self, chunk: int, now_ns: int) -> ActionChunk:
        """Its part of a chunk."""
        return ActionChunk(
            header=convert.header(now_ns + AHEAD_NS, self._frame),
            run_id="run",
            episode=0,
            chunk=chunk,
            source="policy",
            dt_s=TASK.tick_s * TASK.action.repeat,
            dim=CODEC.dim,
            actions=self._actions,
        )


class Bridges:
    """Of the first arms of the rig."""

    def __init__(self, count: int) -> None:
        rig = replace(RIG, arms=RIG.arms[:count])
        self._bridges = [Bridge(rig, arm) for arm in rig.arms]
        self._sent = 0

    def chunk(self) -> None:
        """From the messages of all parts to each bridge's verdict, all bridges together; and the little that
        it takes to put the arms to rest at home before.
        """
        now_ns = SECOND_NS + self._sent * PERIOD_NS
        for mine in self._bridges:
            mine.rest(now_ns)
            for other in self._others(mine):
                mine.posture.on_neighbour(other.name, other.home, other.tool, now_ns)
        for mine in self._bridges:
            message = mine.message(0, now_ns)
            for other in self._others(mine):
                other.controller.on_neighbour_chunk(mine.name, messages.chunk_command(message), now_ns)
            if not mine.controller.command(messages.chunk_command(message), now_ns):
                raise RuntimeError(mine.controller.reports(now_ns)[0].reason)
        self._sent += 1

    def _others(self, mine: Bridge) -> list[Bridge]:
        return [bridge for bridge in self._bridges if bridge is not mine]
