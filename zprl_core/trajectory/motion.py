"""What a setpoint is, and the pieces of motion that a stream of setpoints is made of.

A `Motion` is a function of the seconds since its own start. Positions in m and linear velocities in m/s are
in the arm's base frame; angular velocities in rad/s are in the turning tool frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from zprl_core import rotation as rot
from zprl_core import transforms
from zprl_core.errors import DataError
from zprl_core.rotation import Quaternion, Vector
from zprl_core.transforms import Array, Pose


class MotionState(NamedTuple):
    """Where a setpoint is and how it moves."""

    position: Vector  # m
    velocity: Vector  # m/s
    quaternion: Quaternion  # (w, x, y, z)
    angular_velocity: Vector  # rad/s, tool frame


class Motion(Protocol):
    """A piece of motion."""

    def state(self, elapsed_s: float) -> MotionState:
        """The state ``elapsed_s`` seconds after the motion's start."""
        ...


@dataclass(frozen=True, eq=False)
class Setpoint:
    """One command for one arm, absolute in its base frame.

    Attributes:
        position: ``(3,)`` float64, m.
        quaternion: ``(4,)`` float64, unit, (w, x, y, z).
        gripper_width: m between the fingers, or None without a gripper.
    """

    position: Array
    quaternion: Array
    gripper_width: float | None = None

    @staticmethod
    def at(pose: Pose, gripper_width: float | None = None) -> Setpoint:
        """The setpoint that commands ``pose``.

        Raises:
            DataError: ``gripper_width`` is not finite.
        """
        if gripper_width is not None and not np.isfinite(gripper_width):
            raise DataError(
                f"gripper width: {gripper_width}; a finite number of metres, or None without a gripper"
            )
        return Setpoint(pose.position, pose.quaternion, gripper_width)

    @property
    def pose(self) -> Pose:
        """The commanded pose."""
        return Pose(self.position, self.quaternion)


@dataclass(frozen=True)
class Brake:
    """Slows down along the present direction at a constant rate, then holds. `Brake` of a state at rest is a
    hold.

    Attributes:
        start: state at its beginning.
        linear_m_s2: deceleration of the position, m/s^2.
        angular_rad_s2: deceleration of the rotation, rad/s^2.
    """

    start: MotionState
    linear_m_s2: float
    angular_rad_s2: float

    @property
    def duration_s(self) -> float:
        """Seconds until it holds."""
        linear = rot.norm(self.start.velocity) / self.linear_m_s2
        return max(linear, rot.norm(self.start.angular_velocity) / self.angular_rad_s2)

    def state(self, elapsed_s: float) -> MotionState:
        """See `Motion`."""
        position, velocity, quaternion, omega = self.start
        travel, speed = _braked(rot.norm(velocity), self.linear_m_s2, elapsed_s)
        turn, rate = _braked(rot.norm(omega), self.angular_rad_s2, elapsed_s)
        turned = rot.multiply(quaternion, rot.exp(rot.scale(turn, omega)))
        return MotionState(
            rot.add(position, rot.scale(travel, velocity)),
            rot.scale(speed, velocity),
            rot.normalise(turned),
            rot.scale(rate, omega),
        )


@dataclass(frozen=True)
class Blend:
    """Follows ``path`` plus an offset that starts as (where we are - where the path is) and fades to nothing.

    Position and velocity are continuous at its start. The offset of the position fades over ``offset_s``, the
    difference of velocity over ``velocity_s``; both are cubic.

    Attributes:
        path: the motion to join, in its own time.
        joined_s: the path's time at which the blend starts.
        offset, rate: offset of position (m) and of its derivative (m/s) at the start.
        turn, turn_rate: offset of orientation, as a rotation vector in the path's tool frame (rad, rad/s).
        offset_s, velocity_s: how long they fade, s.
    """

    path: Motion
    joined_s: float
    offset: Vector
    rate: Vector
    turn: Vector
    turn_rate: Vector
    offset_s: float
    velocity_s: float

    def state(self, elapsed_s: float) -> MotionState:
        """See `Motion`."""
        on_path = self.path.state(self.joined_s + elapsed_s)
        if elapsed_s >= self.offset_s and elapsed_s >= self.velocity_s:
            return on_path
        fade, fade_rate = _fade(elapsed_s / self.offset_s)
        push, push_rate = _push(elapsed_s / self.velocity_s)
        value, slope = (fade, push * self.velocity_s), (fade_rate / self.offset_s, push_rate)
        turn = _mix(value, self.turn, self.turn_rate)
        turn_rate = _mix(slope, self.turn, self.turn_rate)
        extra = rot.exp(turn)
        omega = rot.rotate(rot.conjugate(extra), on_path.angular_velocity)
        return MotionState(
            rot.add(on_path.position, _mix(value, self.offset, self.rate)),
            rot.add(on_path.velocity, _mix(slope, self.offset, self.rate)),
            rot.normalise(rot.multiply(on_path.quaternion, extra)),
            rot.add(omega, rot.body_velocity(turn, turn_rate)),
        )


def blend_from(
    now: MotionState,
    path: Motion,
    joined_s: float,
    *,
    blend_s: float,
    catch_up: tuple[float, float],
    accelerate: tuple[float, float],
) -> Blend:
    """The blend from the state ``now`` into ``path``, at least ``blend_s`` long.

    It takes longer where the offset would otherwise add more than ``catch_up`` (m/s, rad/s) to the speed, or
    the difference of velocities more than ``accelerate`` (m/s^2, rad/s^2) to the acceleration.
    """
    goal = path.state(joined_s)
    offset, rate = rot.subtract(now.position, goal.position), rot.subtract(now.velocity, goal.velocity)
    extra = rot.multiply(rot.conjugate(goal.quaternion), now.quaternion)
    turn = rot.log(extra)
    carried = rot.rotate(rot.conjugate(extra), goal.angular_velocity)
    turn_rate = rot.rotvec_rate(turn, rot.subtract(now.angular_velocity, carried))
    offset_s = max(blend_s, 1.5 * rot.norm(offset) / catch_up[0], 1.5 * rot.norm(turn) / catch_up[1])
    velocity_s = max(blend_s, 4.0 * rot.norm(rate) / accelerate[0], 4.0 * rot.norm(turn_rate) / accelerate[1])
    return Blend(path, joined_s, offset, rate, turn, turn_rate, offset_s, velocity_s)


def setpoint_from(state: MotionState, gripper_width: float | None) -> Setpoint:
    """The setpoint of a state."""
    return Setpoint(np.array(state.position), np.array(state.quaternion), gripper_width)


def at_rest(setpoint: Setpoint) -> MotionState:
    """A setpoint as a state that does not move.

    Raises:
        DataError: a non-finite number or a wrong shape.
    """
    pose = setpoint.pose
    return MotionState(as_vector(pose.position), (0.0,) * 3, as_quaternion(pose.quaternion), (0.0,) * 3)


def coast(state: MotionState, elapsed_s: float) -> MotionState:
    """``state`` after ``elapsed_s`` at its own velocity."""
    position = rot.add(state.position, rot.scale(elapsed_s, state.velocity))
    turned = rot.multiply(state.quaternion, rot.exp(rot.scale(elapsed_s, state.angular_velocity)))
    return MotionState(position, state.velocity, rot.normalise(turned), state.angular_velocity)


def moved(before: MotionState, now: MotionState, step_s: float) -> MotionState:
    """``now`` with the velocity that led there from ``before`` in ``step_s`` seconds."""
    velocity = rot.scale(1.0 / step_s, rot.subtract(now.position, before.position))
    turn = rot.log(rot.multiply(rot.conjugate(before.quaternion), now.quaternion))
    return MotionState(now.position, velocity, now.quaternion, rot.scale(1.0 / step_s, turn))


def as_vector(array: Array) -> Vector:
    """``(3,)`` as plain floats."""
    x, y, z = array.tolist()
    return x, y, z


def as_quaternion(array: Array) -> Quaternion:
    """``(4,)`` as plain floats, unit length."""
    w, x, y, z = transforms.normalise_quaternion(array).tolist()
    return w, x, y, z


def _braked(speed: float, deceleration: float, elapsed_s: float) -> tuple[float, float]:
    """Seconds' worth of the initial velocity that was travelled, and the share of it that is left."""
    if speed == 0.0:
        return 0.0, 0.0
    until = speed / deceleration
    elapsed = min(elapsed_s, until)
    return elapsed * (1.0 - 0.5 * elapsed / until), 1.0 - elapsed / until


def _fade(s: float) -> tuple[float, float]:
    """Cubic from 1 to 0 with flat ends, and its derivative by ``s``; 0 from s = 1 on."""
    return (1.0 + s * s * (2.0 * s - 3.0), 6.0 * s * (s - 1.0)) if s < 1.0 else (0.0, 0.0)


def _push(s: float) -> tuple[float, float]:
    """Cubic from 0 to 0 with slopes 1 and 0, and its derivative by ``s``; 0 from s = 1 on."""
    return (s * (1.0 - s) ** 2, (1.0 - s) * (1.0 - 3.0 * s)) if s < 1.0 else (0.0, 0.0)


def _mix(weights: tuple[float, float], a: Vector, b: Vector) -> Vector:
    return rot.add(rot.scale(weights[0], a), rot.scale(weights[1], b))
