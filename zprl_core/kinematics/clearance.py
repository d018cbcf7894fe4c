# SPDX-License-Identifier: Apache-2.0
"""What an arm's bodies keep away from, in one posture and on the way from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from zprl_core.kinematics.distances import ArmBodies, Bodies, Gaps, other_gaps, table_gaps, tool_gaps
from zprl_core.transforms import Array

STEP_M = 0.01
"""Nothing moves farther than this between two postures of a way that are looked at, unless it cannot come too
near there: so nothing comes nearer than is allowed by more than half of it."""


class Clearance(NamedTuple):
    """How far a posture is from being forbidden for the distances of its bodies.

    Attributes:
        margin_m: the smallest distance less the one allowed; negative: too near.
        nearest: which bodies these are and how near, for people.
    """

    margin_m: float
    nearest: str


class OtherArm(NamedTuple):
    """Another arm of the rig, in one posture, or in one for each of this arm's.

    Attributes:
        name: for people.
        bodies: where its links and its tool are.
        tool_distance_m: kept between its tool centre point and this arm's.
    """

    name: str
    bodies: Bodies
    tool_distance_m: float = 0.0


class OtherWay(NamedTuple):
    """Another arm of the rig, on its way.

    Attributes:
        name: for people.
        arm: its links and its tool.
        joints_rad: float64 (n + 1, joints): where it is when this arm starts, and at the waypoints' times.
        tool_distance_m: kept between its tool centre point and this arm's.
    """

    name: str
    arm: ArmBodies
    joints_rad: Array
    tool_distance_m: float

    def at(self, rows: Array) -> OtherArm:
        """Where it is at places (...,) between the rows."""
        return OtherArm(self.name, self.arm.at(_between(self.joints_rad, rows)), self.tool_distance_m)


class _Rule(NamedTuple):
    """Gaps, what they may be at least, and what says so in the rig."""

    gaps: Gaps
    least_m: float
    key: str

    def margin_m(self) -> Array:
        """Of each posture: the smallest gap less the one allowed, (...,)."""
        return np.asarray(self.gaps.distance_m.min(axis=-1) - self.least_m)


class ClearanceRules:
    """The distances that one arm keeps: between its own links, from the table, and from other arms.

    Args:
        bodies: of the arm.
        link_distance_m: between links that are not neighbours, and from links to table and other arms.
        table_m: height of the table in the rig's frame; None: there is none.
    """

    def __init__(self, bodies: ArmBodies, link_distance_m: float, table_m: float | None) -> None:
        self._bodies, self._link_m, self._table_m = bodies, link_distance_m, table_m

    def clearance(self, joints_rad: ArrayLike, others: Sequence[OtherArm] = ()) -> Clearance:
        """Of one posture (joints,)."""
        rules = self._rules(self._bodies.at(joints_rad), others)
        rule = min(rules, key=lambda each: float(each.margin_m()))
        nearest = rule.gaps.nearest()
        said = (
            f"{nearest.first} comes within {nearest.distance_m:.3f} m of {nearest.second}, "
            f"allowed {rule.least_m:g} m or more ({rule.key})"
        )
        return Clearance(float(rule.margin_m()), said)

    def margins_m(self, joints_rad: Array) -> Array:
        """Of postures (n, joints), other arms aside: the smallest distance less the one allowed, (n,), m."""
        rules = self._rules(self._bodies.at(joints_rad), ())
        return np.asarray(np.min([rule.margin_m() for rule in rules], axis=0))

    def way_problem(self, joints_rad: Array, others: Sequence[OtherWay] = ()) -> str:
        """Which bodies come too near to each other on the way through joint angles (n + 1, joints), row 0 the
        start and row i + 1 waypoint i, or nothing. The start itself is not asked: it is where the arm is.

        Between two rows all joints turn steadily, this arm's and the others'. That is asked in halves, until
        nothing can come too near in what remains, or moves more than `STEP_M`.
        """
        asked = partial(self._margins, joints_rad, others)
        rows = np.arange(len(joints_rad), dtype=np.float64)
        margin, problem = asked(rows, first=1)
        if problem:
            return problem
        moved = self._bodies.motion_m(np.diff(joints_rad, axis=0))
        theirs = [other.arm.motion_m(np.diff(other.joints_rad[: len(rows)], axis=0)) for other in others]
        if theirs:
            moved = moved + np.max(theirs, axis=0)
        return _halved(asked, rows[:-1], margin[:-1], margin[1:], moved, 0.5)

    def _margins(
        self, joints_rad: Array, others: Sequence[OtherWay], rows: Array, first: int = 0
    ) -> tuple[Array, str]:
        """Margins (n,) at places (n,) of a way, and what is wrong at one from the ``first`` of them on."""
        joints = _between(joints_rad, rows)
        rules = self._rules(self._bodies.at(joints), [other.at(rows) for other in others])
        margin = np.min([rule.margin_m() for rule in rules], axis=0)
        bad = first + np.flatnonzero(margin[first:] < 0.0)
        if len(bad) == 0:
            return margin, ""
        row = rows[bad[0]]
        said = self.clearance(joints[bad[0]], [other.at(row) for other in others]).nearest
        where = "" if row == int(row) else "on the way to "
        return margin, f"{where}waypoint {int(np.ceil(row)) - 1}: {said}"

    def _rules(self, bodies: Bodies, others: Sequence[OtherArm]) -> list[_Rule]:
        """All that is kept, in one or more postures."""
        least, key = self._link_m, "limits.link_distance_m"
        rules = [_Rule(self._bodies.link_gaps(bodies), least, key)]
        if self._table_m is not None:
            rules.append(_Rule(table_gaps(bodies, self._table_m), least, key))
            rules.append(_Rule(tool_gaps(bodies, self._table_m), 0.0, "table_m"))
        for other in others:
            rules.append(_Rule(other_gaps(bodies, other.bodies, other.name), least, key))
            apart = np.linalg.norm(bodies.tool - other.bodies.tool, axis=-1)[..., None]
            tools = Gaps(apart, [("the tool", f"that of {other.name}")])
            rules.append(_Rule(tools, other.tool_distance_m, "tool_distance_m"))
        return [rule for rule in rules if rule.gaps.pairs]


def _between(way: Array, rows: Array) -> Array:
    """Joint angles (..., joints) at places (...,) between the rows (n, joints) of a way."""
    before = np.asarray(rows).astype(int)
    after = np.minimum(before + 1, len(way) - 1)
    share = (rows - before)[..., None]
    return np.asarray((1.0 - share) * way[before] + share * way[after])


def _halved(
    asked: Callable[[Array], tuple[Array, str]],
    begin: Array,
    before: Array,
    after: Array,
    moved: Array,
    width: float,
) -> str:
    """What is wrong inside stretches of a way, asked in their middles, then in the middles of their halves.

    Args:
        asked: gives the margins (n,) at places (n,), and what is wrong there.
        begin: where the stretches begin, (n,); they are twice ``width`` long.
        before, after: margins at their ends, (n,), m.
        moved: how much a margin can change on them at most, (n,), m.
    """
    near = (moved > STEP_M) & (before + after < moved)
    if not near.any():
        return ""
    begin, before, after, moved = begin[near], before[near], after[near], 0.5 * moved[near]
    middle, problem = asked(begin + width)
    if problem:
        return problem
    begins = np.concatenate((begin, begin + width))
    befores, afters = np.concatenate((before, middle)), np.concatenate((middle, after))
    return _halved(asked, begins, befores, afters, np.tile(moved, 2), 0.5 * width)
