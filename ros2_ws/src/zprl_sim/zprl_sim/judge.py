# SPDX-License-Identifier: Apache-2.0
"""The automatic judge: success, irrecoverable failure or undecided, from the simulator's ground truth.

A pure function of (qpos, qvel). It replaces the person who presses a button on the real rig.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from zprl_core.errors import RigError
from zprl_sim import dimensions as dim
from zprl_sim import world
from zprl_sim.scene import USUAL, Scene

MAX_TILT = math.radians(15.0)
TIPPED = math.radians(50.0)
STILL_SPEED = 0.02  # m/s
STILL_SPIN = 0.5  # rad/s
HEIGHT_TOLERANCE = 0.004  # m, of the cut face above the filter
RING_GIVE = 0.004  # m off the ring's middle, beyond what the ring leaves the half
CLEAR_HEIGHT = 0.05  # m: tongs that far above the half no longer act on it
TRAY_SLACK = 0.025  # m beyond the tray's edge that still counts as on the tray


class Outcome(Enum):
    """What the judge says of one instant."""

    UNDECIDED = "undecided"
    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True)
class Verdict:
    """Outcome and the ground truth that it rests on (base frame, m, rad, s)."""

    outcome: Outcome
    reason: str
    half_position: tuple[float, float, float]  # centre of the cut face
    half_tilt: float  # between the half's dome and straight up
    half_speed: float
    half_spin: float
    on_filter: bool
    touched: bool  # by the tongs or the gripper
    tcp_height: float


@dataclass(frozen=True, eq=False)
class _Names:
    half: int
    half_dof: int
    tool: frozenset[int]  # geoms
    filter: int
    tcp: int


@lru_cache(maxsize=8)
def _names(scene: Scene) -> _Names:
    model = world.model(scene)
    bodies = {model.body(name).id for name in ("gripper", "finger_left", "finger_right")}
    tool = frozenset(g for g in range(model.ngeom) if int(model.geom_bodyid[g]) in bodies)
    dof = int(model.joint("half").dofadr[0])
    return _Names(model.body("half").id, dof, tool, model.geom("filter").id, model.site("tcp").id)


class Judge:
    """Evaluates states; it keeps scratch memory only, so calls do not influence each other."""

    def __init__(self) -> None:
        self._scene, self._model = USUAL, world.model()
        self._data = mujoco.MjData(self._model)

    def __call__(self, qpos: ArrayLike, qvel: ArrayLike, scene: Scene = USUAL) -> Verdict:
        """The verdict on one state.

        Args:
            qpos, qvel: the simulator's state, float64 (15,) and (14,).
            scene: which they are of.

        Raises:
            RigError: the state has another model's size.
        """
        if scene != self._scene:
            self._scene, self._model = scene, world.model(scene)
            self._data = mujoco.MjData(self._model)
        self._load(np.asarray(qpos, dtype=np.float64), np.asarray(qvel, dtype=np.float64))
        names, data = _names(scene), self._data
        position = data.xpos[names.half]
        velocity = data.qvel[names.half_dof : names.half_dof + 6]
        on_filter, touched = self._contacts()
        facts = {
            "half_position": (float(position[0]), float(position[1]), float(position[2])),
            "half_tilt": math.acos(min(1.0, max(-1.0, float(data.xmat[names.half][8])))),
            "half_speed": float(np.linalg.norm(velocity[:3])),
            "half_spin": float(np.linalg.norm(velocity[3:])),
            "on_filter": on_filter,
            "touched": touched,
            "tcp_height": float(data.site_xpos[names.tcp][2]),
        }
        undecided = Verdict(Outcome.UNDECIDED, "", **facts)  # type: ignore[arg-type]
        outcome, reason = decide(undecided, scene)
        return Verdict(outcome, reason, **facts)  # type: ignore[arg-type]

    def _load(self, qpos: NDArray[np.float64], qvel: NDArray[np.float64]) -> None:
        if qpos.shape != (self._model.nq,) or qvel.shape != (self._model.nv,):
            raise RigError(
                f"judge: state of shapes {qpos.shape} and {qvel.shape}, expected ({self._model.nq},) and "
                f"({self._model.nv},): is it the state of another model?"
            )
        self._data.qpos[:], self._data.qvel[:] = qpos, qvel
        mujoco.mj_fwdPosition(self._model, self._data)

    def _contacts(self) -> tuple[bool, bool]:
        """Whether the half touches the filter, and the tool."""
        names, bodies = _names(self._scene), self._model.geom_bodyid
        touching: set[int] = set()
        for pair in self._data.contact.geom.tolist():
            if names.half in bodies[pair]:
                touching.update(pair)
        return names.filter in touching, not names.tool.isdisjoint(touching)


def decide(facts: Verdict, scene: Scene = USUAL) -> tuple[Outcome, str]:
    """Success or failure from the facts of a verdict (its outcome and reason are not read)."""
    x, y, z = facts.half_position
    still = facts.half_speed < STILL_SPEED and facts.half_spin < STILL_SPIN
    off_centre = math.hypot(x - dim.JUICER_CENTRE[0], y - dim.JUICER_CENTRE[1])
    level = abs(z - dim.FILTER_TOP) < HEIGHT_TOLERANCE
    if (
        facts.on_filter
        and level
        and off_centre < dim.RING_RADIUS - scene.radius + RING_GIVE
        and facts.half_tilt < MAX_TILT
    ):
        if not facts.touched and still:
            return Outcome.SUCCESS, "rests on the filter, released, face down"
        return Outcome.UNDECIDED, "on the filter, not yet released and still"
    if z < -0.01:
        return Outcome.FAILURE, "fell off the table"
    if facts.touched:
        return Outcome.UNDECIDED, "held or touched"
    dx, dy = (abs(value - centre) for value, centre in zip((x, y), scene.tray_centre, strict=True))
    on_tray = dx < dim.TRAY_SIZE[0] / 2 + TRAY_SLACK and dy < dim.TRAY_SIZE[1] / 2 + TRAY_SLACK
    resting = facts.half_speed < STILL_SPEED
    if resting and not on_tray and z < dim.FILTER_TOP / 2:
        return Outcome.FAILURE, "dropped off the tray"
    if resting and facts.half_tilt > TIPPED:
        return Outcome.FAILURE, "tipped on its dome or side"
    if resting and not on_tray and facts.tcp_height > z + CLEAR_HEIGHT:
        return Outcome.FAILURE, "left on the juicer's rim"
    return Outcome.UNDECIDED, "on the tray" if on_tray else "moving"
