# SPDX-License-Identifier: Apache-2.0
"""The simulated rig: servo setpoints in, state out. Time is simulated and only ever grows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from zprl_core import rotation, transforms
from zprl_core.errors import RigError
from zprl_sim import dimensions as dim
from zprl_sim import kinematics, world
from zprl_sim.layout import Layout, draw_layout

Array = NDArray[np.float64]

TOOL_DOWN = (0.0, 1.0, 0.0, 0.0)  # quaternion base <- tcp: straight down, the tongs close along the base's x
SUBSTEPS = dim.PHYSICS_HZ // dim.SERVO_HZ
JOINT_NAMES = tuple(f"joint{index}" for index in range(1, 7))
FINGER_NAMES = ("finger_left", "finger_right")
START_WIDTH = 0.088  # m, between the tongs
_SEED_POSTURE = (0.0, -0.4, -0.95, 0.0, 1.35, 0.0)
_SETTLE_SERVOS = 36  # servo periods between two episodes in which the half comes to rest
_UNREACHABLE = 1e-3
PUSH_SERVOS = 36
"""Servo periods of a push: 0.3 s."""
_LIFTED = 0.008  # m above the tray's floor


@dataclass(frozen=True, eq=False)
class Setpoint:
    """One servo setpoint in the arm's base frame.

    Attributes:
        position: (3,) float64, tcp, m.
        quaternion: (4,) float64, unit, (w, x, y, z), base <- tcp.
        gripper_width: gap between the tongs, m.
    """

    position: Array
    quaternion: Array
    gripper_width: float


@dataclass(frozen=True, eq=False)
class RigState:
    """What the rig measures, and the simulator's ground truth, at one instant.

    Attributes:
        stamp_ns: simulated time; strictly increasing over the life of the rig, resets included.
        joints: (6,) float64, rad. joint_velocities: (6,) float64, rad/s.
        position: (3,) float64, tcp in the base frame, m. quaternion: (4,) float64, base <- tcp.
        gripper_width: m between the tongs.
        qpos: float64 (15,): joints (rad), the two tongs (m), the half's position (m) and quaternion.
        qvel: float64 (14,): their velocities (the half's: m/s in the base frame, rad/s in its own).
    """

    stamp_ns: int
    joints: Array
    joint_velocities: Array
    position: Array
    quaternion: Array
    gripper_width: float
    qpos: Array
    qvel: Array

    @property
    def proprioception(self) -> Array:
        """(7,) float64: six joint angles (rad), then the gripper's width (m)."""
        return np.append(self.joints, self.gripper_width)


def downward(yaw_rad: float) -> Array:
    """The orientation of a tool that points straight down, turned by `yaw_rad` about the base's z."""
    half = yaw_rad / 2.0
    return transforms.quaternion_multiply((math.cos(half), 0.0, 0.0, math.sin(half)), TOOL_DOWN)


class SimRig:
    """The cell in simulated physics. Layout and setpoints fix every bit of the state."""

    def __init__(self) -> None:
        self._model = world.model()
        self._data = mujoco.MjData(self._model)
        self._pushed = 0  # servo periods of the layout's push
        self._joint_qpos = world.addresses(JOINT_NAMES)
        self._joint_qvel = np.array([self._model.joint(name).dofadr[0] for name in JOINT_NAMES])
        self._finger_qpos = world.addresses(FINGER_NAMES)
        self._half_qpos = int(self._model.joint("half").qposadr[0])
        self._steps = 0  # physics steps since the rig was made
        self._solution: list[float] = list(_SEED_POSTURE)
        self.layout = draw_layout(0)
        self.setpoint = Setpoint(np.zeros(3), np.array(TOOL_DOWN), START_WIDTH)
        self.reset(0)

    @property
    def stamp_ns(self) -> int:
        """Simulated time in ns."""
        return self._steps * 1_000_000_000 // dim.PHYSICS_HZ

    def stage(self, layout: Layout) -> None:
        """Makes the cell that of a layout; what moves is where it was."""
        model, before = world.model(layout.scene), self._data
        if model is not self._model:
            self._model, self._data = model, mujoco.MjData(model)
            for name in ("qpos", "qvel", "ctrl", "qacc_warmstart"):
                getattr(self._data, name)[:] = getattr(before, name)
        self.layout, self._pushed = layout, 0

    def reset(self, layout: int | Layout) -> RigState:
        """Starts an episode: arm at home, half on the tray, everything at rest.

        Args:
            layout: a layout's seed, or the layout itself.

        Raises:
            RigError: the arm cannot reach the layout's home pose.
        """
        self.stage(draw_layout(layout) if isinstance(layout, int) else layout)
        home = Setpoint(np.array(self.layout.home_tcp), downward(self.layout.home_yaw), START_WIDTH)
        found = kinematics.inverse(
            home.position, home.quaternion, _SEED_POSTURE, dim.TOOL_LENGTH, iterations=100
        )
        if found.error > _UNREACHABLE:
            raise RigError(
                f"layout: home tcp {self.layout.home_tcp} m is out of the arm's reach by {found.error:.3g} "
                "(m or rad); choose one in front of the arm"
            )
        self._solution = found.joints_rad
        mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[self._joint_qpos] = found.joints_rad
        self._data.qpos[self._finger_qpos] = START_WIDTH / 2
        yaw = self.layout.half_yaw / 2
        pose = (*self.layout.half_xy, dim.TRAY_FLOOR + 0.0005, math.cos(yaw), 0.0, 0.0, math.sin(yaw))
        self._data.qpos[self._half_qpos : self._half_qpos + 7] = pose
        for _ in range(_SETTLE_SERVOS):
            self.servo(home)
        return self.state()

    def servo(self, setpoint: Setpoint) -> None:
        """Advances one servo period (1/120 s) towards `setpoint`.

        Raises:
            RigError: a setpoint that is not finite, has a wrong shape, or no rotation; nothing moved.
        """
        check(setpoint)
        self.setpoint = setpoint
        self._push()
        found = kinematics.inverse(setpoint.position, setpoint.quaternion, self._solution, dim.TOOL_LENGTH)
        self._solution = found.joints_rad
        self._data.ctrl[:6] = found.joints_rad
        self._data.ctrl[6:] = min(max(setpoint.gripper_width, 0.0), dim.WIDTH_MAX) / 2
        mujoco.mj_step(self._model, self._data, nstep=SUBSTEPS)
        self._steps += SUBSTEPS

    def tool(self) -> tuple[Array, Array]:
        """Position (3,), m, and quaternion (4,) of the tcp now; a tenth of the cost of `state`."""
        chain = kinematics.forward(self._data.qpos[self._joint_qpos].tolist(), dim.TOOL_LENGTH)
        turned = rotation.from_axes(chain.x_axis, chain.y_axis, chain.z_axis)
        return np.array(chain.position), np.array(turned)

    def _push(self) -> None:
        """A hand slides the half where the layout says, unless the tongs have lifted it before."""
        push, at, qpos = self.layout.push, self._half_qpos, self._data.qpos
        if push is None or self._pushed == PUSH_SERVOS:
            return
        if self._pushed == 0 and math.dist(self.setpoint.position, self.layout.home_tcp) < push.after:
            return
        if qpos[at + 2] > dim.TRAY_FLOOR + _LIFTED:
            self._pushed = PUSH_SERVOS
            return
        left = PUSH_SERVOS - self._pushed
        qpos[at : at + 2] += (np.array(push.to_xy) - qpos[at : at + 2]) / left
        velocity = int(self._model.joint("half").dofadr[0])
        self._data.qvel[velocity : velocity + 6] = 0.0
        self._pushed += 1

    def state(self) -> RigState:
        """A copy of the state now."""
        joints = self._data.qpos[self._joint_qpos]
        chain = kinematics.forward(joints.tolist(), dim.TOOL_LENGTH)
        return RigState(
            stamp_ns=self.stamp_ns,
            joints=joints,
            joint_velocities=self._data.qvel[self._joint_qvel],
            position=np.array(chain.position),
            quaternion=transforms.quaternion_from_matrix(chain.rotation()),
            gripper_width=float(self._data.qpos[self._finger_qpos].sum()),
            qpos=self._data.qpos.copy(),
            qvel=self._data.qvel.copy(),
        )


def check(setpoint: Setpoint) -> None:
    """Refuses a setpoint that must not reach a servo.

    Raises:
        RigError: a wrong shape, a non-finite number, or a quaternion that is not of unit length.
    """
    values = np.array([*np.ravel(setpoint.position), *np.ravel(setpoint.quaternion), setpoint.gripper_width])
    if values.shape != (8,) or not np.isfinite(values).all():
        raise RigError(f"setpoint: {values.tolist()}; expected 3 + 4 + 1 finite numbers (m, quaternion, m)")
    length = float(np.linalg.norm(values[3:7]))
    if abs(length - 1.0) > 1e-3:
        raise RigError(f"setpoint: quaternion of length {length:.4g}; expected 1 (w, x, y, z)")
