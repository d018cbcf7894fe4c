# SPDX-License-Identifier: Apache-2.0
"""Scripted demonstrators of Robomimic's Square and Can.

Each waypoint is a function of the state alone, with no timer and no memory, since a policy without memory
shall imitate it from single observations. The expert of a flawed episode aims past something by one offset
(m, world frame), drawn around the task's `benchmark.demonstrator.flaw`, and is otherwise the same. Noise (m)
is added to the position of every waypoint.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.errors import ConfigError
from zprl_core.experiments.environments.flaw import draw_flaw
from zprl_core.experiments.environments.protocol import Expert

FLAW = ("goal x, m", "goal y, m", "goal z, m")
"""Of a flaw: an offset of the goal, in the world frame."""
Array = NDArray[np.float64]
State = Mapping[str, NDArray[Any]]

OPEN, CLOSE = -1.0, 1.0
LEAD_M = 0.028
"""How far a waypoint lies ahead of the hand, at most: the arm then moves at about 0.2 m/s."""
LEAD_RAD = 0.25
HOVER_M = 0.08
"""Over a grasp, before the hand is above it."""
NUT_HOVER_M = 0.035
"""Of a nut over the peg, before it is above it. The way down is a slope: a step is harder to imitate."""
NUT_GAP_M = (0.022, 0.0325)
"""Between fingers that hold the handle, 31.75 mm wide; a wider gap lets go of it, a narrower one is empty."""
NUT_YAWS = (math.pi / 2, math.pi, -math.pi / 2)
"""Over the peg: at yaw 0 the handle, and so the hand, would lie past the peg, out of the arm's reach."""
CAN_AT = np.array([-0.035, -0.05, 0.0])
"""Where to drop the can, from the compartment's middle, which the arm hardly reaches."""
CAN_GAP_M = (0.04, 0.053)
"""The same of the can, 50 mm wide."""
RELEASE_M = 0.013
"""A nut 10 mm thick above and below, this high over the peg's upper end, falls over it once let go."""


@dataclass(frozen=True, eq=False)
class Aim:
    """Where the hand shall go: position (3,), m, world frame; the tool's yaw, rad; gripper, -1 or 1."""

    position: Array
    yaw: float
    gripper: float


class _Scripted(ABC):
    """What the experts share: an episode's flaw, noise, and waypoints a bounded way ahead of the hand."""

    def __init__(self, task: TaskConfig, rng: np.random.Generator) -> None:
        assert task.benchmark is not None
        self._rng = rng
        self._noise = task.benchmark.demonstrator.noise
        self._miss = draw_flaw(task, FLAW, rng)

    def act(self, state: State) -> NDArray[np.float32]:
        """The next waypoint (10,): position, rot6d, gripper."""
        hand = np.asarray(state["robot0_eef_pos"])
        yaw = tool_yaw(state)
        aim = self._aim(state, hand, yaw)
        ahead = aim.position - hand
        ahead[:2] *= min(0.5, LEAD_M / max(float(np.hypot(*ahead[:2])), 1e-9))
        ahead[2] = np.clip(ahead[2], -LEAD_M, LEAD_M)
        position = hand + ahead + self._noise * self._rng.standard_normal(3)
        turn = float(np.clip(aim.yaw - yaw, -LEAD_RAD, LEAD_RAD))
        return np.concatenate([position, tool_down(yaw + turn), [aim.gripper]]).astype(np.float32)

    @abstractmethod
    def _aim(self, state: State, hand: Array, yaw: float) -> Aim:
        """Where the hand shall be, seen from where it is."""


class SquareExpert(_Scripted):
    """Grasps the nut's handle from above, lifts, turns to the nearest quarter and drops the nut over the peg.

    A flawed one takes the peg for elsewhere, so that the nut lands on it or beside it.
    """

    def _aim(self, state: State, hand: Array, yaw: float) -> Aim:
        nut, handle = np.asarray(state["SquareNut_pos"]), np.asarray(state["SquareNut_handle_pos"])
        to_peg = np.asarray(state["peg_top_pos"]) + self._miss - nut
        off_peg, gap = float(np.hypot(*to_peg[:2])), opening(state)
        letting_go = off_peg < 0.006 or gap > NUT_GAP_M[1]
        if off_peg < 0.03 and to_peg[2] > -RELEASE_M and letting_go:
            if gap < 0.05:  # the nut is not free yet, and would be carried up
                return Aim(hand + to_peg, yaw, OPEN)
            return Aim(np.array([*hand[:2], state["peg_top_pos"][2] + 0.1]), yaw, OPEN)
        outwards = (handle - nut) / np.linalg.norm(handle - nut)
        grasp = handle + 0.008 * outwards + np.array([0.0, 0.0, 0.006])  # the fingers clear the nut's frame
        nut_yaw = _yaw(state["SquareNut_quat"])
        if _holds(gap, NUT_GAP_M) and np.linalg.norm(grasp - hand) < 0.02:
            turn = min((_rest(target - nut_yaw, 2.0 * math.pi) for target in NUT_YAWS), key=abs)
            above = 5.0 * max(0.0, off_peg - 0.004) + 0.5 * max(0.0, abs(turn) - 0.04)
            height = np.array([0.0, 0.0, min(above, NUT_HOVER_M)])
            return Aim(hand + to_peg + height, yaw + turn, CLOSE)
        return _grasp(grasp, yaw + _rest(nut_yaw - yaw, math.pi), hand, yaw, gap < NUT_GAP_M[0])


class CanExpert(_Scripted):
    """Grasps the can from above, lifts it over the bins' walls and drops it into its compartment.

    A flawed one takes the can for elsewhere, so that its fingers meet it off its middle and it slips.
    """

    def _aim(self, state: State, hand: Array, yaw: float) -> Aim:
        can, gap = np.asarray(state["Can_pos"]), opening(state)
        to_target = np.asarray(state["target_bin_pos"]) + CAN_AT - can
        off_target = float(np.hypot(*to_target[:2]))
        if (off_target < 0.02 and to_target[2] > -0.11) or (off_target < 0.06 and gap > CAN_GAP_M[1]):
            above = state["target_bin_pos"][2] + 0.25
            return Aim(np.array([*hand[:2], above]) if gap > 0.065 else hand, 0.0, OPEN)
        grasp = can + np.array([0.0, 0.0, 0.015]) + self._miss  # lower, the palm would sit on the can
        if _holds(gap, CAN_GAP_M) and np.linalg.norm(grasp - hand) < 0.03:
            ahead = to_target + np.array([0.0, 0.0, 0.17 if off_target > 0.02 else 0.09])
            if to_target[2] > -0.14 and off_target > 0.06:
                ahead[:2] = 0.0  # up first: the bins have walls
            return Aim(hand + ahead, 0.0, CLOSE)
        return _grasp(grasp, 0.0, hand, yaw, gap < CAN_GAP_M[0])


EXPERTS: dict[str, type[_Scripted]] = {"NutAssemblySquare": SquareExpert, "PickPlaceCan": CanExpert}


def _grasp(at: Array, yaw: float, hand: Array, hand_yaw: float, empty: bool) -> Aim:
    """Over the grasp, the lower the better aligned; then closed around it; up again if nothing was there."""
    aside = float(np.hypot(*(at - hand)[:2]))
    above = 5.0 * max(0.0, aside - 0.006) + 0.2 * max(0.0, abs(yaw - hand_yaw) - 0.05)
    ready = aside < 0.01 and abs(at[2] - hand[2]) < 0.008 and not empty
    height = HOVER_M if empty else min(above, HOVER_M)
    return Aim(at + np.array([0.0, 0.0, height]), yaw, CLOSE if ready else OPEN)


def _holds(gap: float, between: tuple[float, float]) -> bool:
    return between[0] <= gap <= between[1]


def opening(state: State) -> float:
    """Between the fingertips, m, 0 to 0.08."""
    one, other = state["robot0_gripper_qpos"]
    return float(one - other)


def tool_yaw(state: State) -> float:
    """About the world's z axis, rad: 0 where the fingers close along the world's y."""
    x, y, z, w = state["robot0_eef_quat_site"]
    return math.atan2(1.0 - 2.0 * (x * x + z * z), 2.0 * (x * y - w * z))  # of the site's y axis


def tool_down(yaw: float) -> Array:
    """The rot6d (6,) of the grip site with the tool pointing down."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    return np.array([-sin, cos, 0.0, cos, sin, 0.0])


def _yaw(quaternion: NDArray[Any]) -> float:
    x, y, z, w = quaternion
    return math.atan2(2.0 * (x * y + w * z), 1.0 - 2.0 * (y * y + z * z))


def _rest(angle: float, period: float) -> float:
    """The angle to the nearest multiple of `period`, in [-period / 2, period / 2]."""
    return math.remainder(angle, period)


def make_expert(task: TaskConfig, rng: np.random.Generator) -> Expert:
    """The expert of one episode of a task; `rng` decides whether it is flawed, and draws its noise.

    Raises:
        ConfigError: there is none for the task's environment, or its flaw is not three numbers.
    """
    assert task.benchmark is not None
    name = task.benchmark.environment
    if name not in EXPERTS:
        raise ConfigError(
            f"task {task.name}: no scripted expert for {name}; import the official data with `zprl dataset "
            f"import`. Scripted: {', '.join(EXPERTS)}"
        )
    return EXPERTS[name](task, rng)
