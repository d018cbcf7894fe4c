# SPDX-License-Identifier: Apache-2.0
"""The controller in the box: modes, states, errors, servo setpoints. Pure: no sockets, no clock, no threads.

A setpoint becomes joint angles when it comes, is held against the limits, and is what the plant follows from
the next step on. What a real box was not seen to do is an assumption; the package's docstring lists them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from zprl_core.config import CaseConfig
from zprl_core.errors import RigError
from zprl_core.transforms import Pose
from zprl_sim.xarm_box import wire
from zprl_sim.xarm_box.limits import UNREACHED, Bounds, Error, Reduced, Step
from zprl_sim.xarm_box.models import BoxModel
from zprl_sim.xarm_box.plant import ArmKinematics, Array, Measured, Plant, World
from zprl_sim.xarm_box.protocol import Flag
from zprl_sim.xarm_box.tool import ToolConnector
from zprl_sim.xarm_box.trace import Trace

SERVO_MODE = 1
_STILL_RAD_S = 1e-3
_DROPS_BRAKES = range(1, 20)  # assumption: these errors take the motors' power


class State(IntEnum):
    """States of the controller, as the SDK names them."""

    MOVING = 1
    READY = 2
    PAUSED = 3
    STOPPED = 4
    MODE_CHANGED = 5


@dataclass
class Settings:
    """What clients set, in the units of the wire (mm, rad, kg)."""

    tcp_offset: list[float] = field(default_factory=lambda: [0.0] * 6)
    load: list[float] = field(default_factory=lambda: [0.0] * 4)
    gravity: list[float] = field(default_factory=lambda: [0.0, 0.0, -1.0])
    collision_sensitivity: int = 3
    teach_sensitivity: int = 3
    reduced: Reduced = field(default_factory=Reduced)


class Target(NamedTuple):
    """What the arm is told: joint angles, and the tool centre point in the base frame that they give."""

    joints_rad: Array
    tcp: Pose


class Snapshot(NamedTuple):
    """What is measured, and what is commanded, after a step.

    Attributes:
        stamp_ns: of the step.
        measured: of the plant.
        target: commanded.
        speed_m_s: of the tool centre point.
    """

    stamp_ns: int
    measured: Measured
    target: Target
    speed_m_s: float


class Controller:
    """What the box decides.

    Args:
        model, chain, plant, tool: the arm.
        now_ns: time of power-up.
    """

    def __init__(
        self, model: BoxModel, chain: ArmKinematics, plant: Plant, tool: ToolConnector, now_ns: int
    ) -> None:
        self.model, self.chain, self.tool = model, chain, tool
        self.settings = Settings()
        self.mode, self.state = 0, State.STOPPED
        self.error, self.warning = 0, 0
        self.enabled = [False] * model.joints
        self.trace = Trace(plant.rate_hz)
        self._plant = plant
        self._setpoint_ns = now_ns
        self._width_m = plant.max_width_m
        self._target = self._target_at(plant.start_rad)
        self._waiting: Target | None = None  # the last setpoint that came while it was paused
        self.now = self._look(now_ns)

    @property
    def flags(self) -> Flag:
        """What every reply says of the state."""
        flags = Flag.ERROR if self.error else Flag.OK
        flags |= Flag.WARNING if self.warning else Flag.OK
        return flags if self._follows else flags | Flag.NOT_READY

    @property
    def offset(self) -> Pose:
        """The tool centre point in the flange's frame."""
        return wire.pose_from_rpy(self.settings.tcp_offset)

    @property
    def tcp(self) -> Pose:
        """The tool centre point measured, in the base frame."""
        return self.chain.forward(self.now.measured.joints_rad).compose(self.offset)

    def step(self, now_ns: int) -> None:
        """One period of the plant."""
        self._width_m = self.tool.step(1.0 / self._plant.rate_hz, self.now.measured.width_m)
        self._plant.step(self._target.joints_rad, self._width_m)
        self.now = self._look(now_ns)
        if self.state in (State.MOVING, State.READY):
            moves = np.abs(self.now.measured.joint_velocities_rad_s).max() > _STILL_RAD_S
            self.state = State.MOVING if moves else State.READY

    def enable(self, axis: int, on: bool) -> None:
        """Power of one joint's motor (1, 2, ...) or of all (8)."""
        for index in range(self.model.joints):
            if axis in (index + 1, 8):
                self.enabled[index] = on
        if not on:  # assumption: power on leaves the state as it is
            self._stop()

    def set_state(self, state: int) -> None:
        """0: go; 3: pause; 4: stop."""
        if state == State.PAUSED and self._follows:
            self.state = State.PAUSED
        elif state == State.STOPPED:
            self._stop()
        elif state == 0 and not self.error and all(self.enabled):  # assumption: else it is ignored
            here, self._waiting = self._waiting or self._target_at(self.now.measured.joints_rad), None
            self._target = here
            self.state = State.READY

    def set_mode(self, mode: int) -> None:
        """Change the mode; takes state 0 to become ready again."""
        if mode != self.mode:  # assumption: the same mode again changes nothing, another one takes state 0
            self.mode, self.state, self._waiting = mode, State.MODE_CHANGED, None

    def configured(self) -> None:
        """A setting that takes the controller back to its beginning has come."""
        self.mode, self.state, self._waiting = 0, State.MODE_CHANGED, None

    def fail(self, error: int) -> None:
        """An error occurs."""
        self.error = error
        if error in _DROPS_BRAKES:
            self.enabled = [False] * self.model.joints
        self._stop()

    def clear_error(self) -> None:
        """No error any more; the arm stays stopped."""
        self.error = 0

    def set_tcp_offset(self, offset: Sequence[float]) -> None:
        """Where the tool centre point is, mm and rad in the flange's frame."""
        self.configured()
        self.settings.tcp_offset = list(offset)
        self._target = self._target_at(self._target.joints_rad)
        self.trace.forget_position()

    def servo_pose(self, pose: Pose, now_ns: int) -> Flag:
        """A setpoint of the tool centre point in the base frame; gives the flags of the reply."""
        if not self._takes_setpoints:
            return self.flags | Flag.NOT_READY
        flange = pose.compose(self.offset.inverse())
        joints, error = self.chain.inverse(flange, self._target.joints_rad)
        if error > UNREACHED:  # assumption: C21
            self._note_setpoint(now_ns)
            self.fail(Error.KINEMATICS)
            return self.flags
        return self._servo(Target(joints, pose), now_ns, Error.SPEED)

    def servo_joints(self, joints_rad: Sequence[float], now_ns: int) -> Flag:
        """A setpoint in joint angles; gives the flags of the reply."""
        if not self._takes_setpoints:
            return self.flags | Flag.NOT_READY
        joints = np.array(joints_rad[: self.model.joints], dtype=np.float64)
        return self._servo(self._target_at(joints), now_ns, Error.LINEAR_SPEED)

    def reset_world(
        self, layout_seed: int, *, home: bool, now_ns: int, case: CaseConfig | None = None
    ) -> World:
        """Lay out the objects, as a robustness case says; `home` also puts the arm at its start.

        Raises:
            RigError: `home` while the arm may move.
        """
        if home and self._follows:
            raise RigError(f"state {self.state:d}: the arm can be put home in state 4 (stopped) only")
        world = self._plant.reset(layout_seed, home=home, case=case)
        if home:
            self.trace.forget_position()
            self._target = self._target_at(self._plant.measure().joints_rad)
        self.now = self._look(now_ns)
        return world

    @property
    def _follows(self) -> bool:
        return self.state in (State.MOVING, State.READY, State.PAUSED)

    @property
    def _takes_setpoints(self) -> bool:
        return self._follows and self.mode == SERVO_MODE

    def _target_at(self, joints_rad: Array) -> Target:
        return Target(joints_rad.copy(), self.chain.forward(joints_rad).compose(self.offset))

    def _servo(self, target: Target, now_ns: int, linear: Error) -> Flag:
        elapsed_s = self._note_setpoint(now_ns)
        if self.state == State.PAUSED:
            self._waiting = target
            return self.flags
        before = self._target
        step = Step(before.joints_rad, target.joints_rad, before.tcp, target.tcp, elapsed_s)
        found = self._bounds().violation(step, linear=linear)
        if found is Error.NONE:
            self._target = target
        else:
            self.fail(found)
        return self.flags

    def _note_setpoint(self, now_ns: int) -> float:
        elapsed_s = (now_ns - self._setpoint_ns) / 1e9
        self._setpoint_ns = now_ns
        self.trace.setpoint(now_ns)
        return elapsed_s

    def _bounds(self) -> Bounds:
        model, chain = self.model, self.chain
        return Bounds(
            lower_rad=chain.lower_rad,
            upper_rad=chain.upper_rad,
            joint_speed_rad_s=model.joint_speed_rad_s,
            tcp_speed_m_s=model.tcp_speed_m_s,
            reduced=self.settings.reduced,
        )

    def _stop(self) -> None:
        self._waiting = None
        self.state = State.STOPPED  # assumption: the arm comes to rest at the last setpoint

    def _look(self, now_ns: int) -> Snapshot:
        measured = self._plant.measure()
        tcp_m = self.chain.point(measured.joints_rad, np.asarray(self.settings.tcp_offset[:3]) / wire.MM)
        return Snapshot(now_ns, measured, self._target, self.trace.step(now_ns, tcp_m))
