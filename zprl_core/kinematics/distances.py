# SPDX-License-Identifier: Apache-2.0
"""How near an arm's links come to each other, to the table and to another arm, in the rig's frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from zprl_core.kinematics.arm import ArmKinematics
from zprl_core.kinematics.capsules import CAPSULES
from zprl_core.transforms import Array, Pose

TOOL = "tool"
_APART = 3  # links nearer in the chain are kept apart by the joint limits, and their capsules overlap


class Nearest(NamedTuple):
    """The pair of bodies that are nearest to each other, and how far they are apart, m; negative: inside."""

    distance_m: float
    first: str
    second: str


class Gaps(NamedTuple):
    """How far pairs of bodies are apart in one or more postures.

    Attributes:
        distance_m: float64 (..., p), negative: inside each other.
        pairs: the names of the p pairs.
    """

    distance_m: Array
    pairs: Sequence[tuple[str, str]]

    def nearest(self) -> Nearest:
        """Of one posture: the smallest."""
        worst = int(self.distance_m.argmin())
        return Nearest(float(self.distance_m[worst]), *self.pairs[worst])


class Bodies(NamedTuple):
    """The capsules of an arm in one or more postures, rig frame.

    Attributes:
        names: of the k capsules: "base", "link1", ..., "tool".
        start, end: of their axes, float64 (..., k, 3), m.
        radius_m: float64 (k,).
        tool: the tool centre point, float64 (..., 3), m.
    """

    names: tuple[str, ...]
    start: Array
    end: Array
    radius_m: Array
    tool: Array


class ArmBodies:
    """The capsules around the links and the tool of one arm.

    Args:
        kinematics: of the arm, with its tool.
        base_in_rig: where its base stands; None: at the rig's origin.
    """

    def __init__(self, kinematics: ArmKinematics, base_in_rig: Pose | None = None) -> None:
        self._kinematics = kinematics
        base = Pose(np.zeros(3)) if base_in_rig is None else base_in_rig
        self._rotation, self._origin = base.matrix()[:3, :3], base.position
        capsules = [*CAPSULES[kinematics.model.name], *_tool_capsules(kinematics)]
        self._links = np.array([capsule[0] for capsule in capsules])
        self._starts = np.array([capsule[1] for capsule in capsules])
        self._ends = np.array([capsule[2] for capsule in capsules])
        self._radii = np.array([capsule[3] for capsule in capsules])
        tools = len(_tool_capsules(kinematics))
        names = ["base" if link == 0 else f"link{link}" for link in self._links]
        self._names = (*names[: len(names) - tools], *[TOOL] * tools)
        self._pairs = np.argwhere(self._links[:, None] + _APART <= self._links[None, :])
        self._pair_names = [(self._names[i], self._names[j]) for i, j in self._pairs]
        self._tool = kinematics.flange_in_last_link[1]
        self.reach_m = self._reach()

    def at(self, joints_rad: ArrayLike) -> Bodies:
        """Where they are for joint angles (..., joints)."""
        joints = np.asarray(joints_rad, dtype=np.float64)
        flat, shape = joints.reshape(-1, joints.shape[-1]), joints.shape[:-1]
        poses = [self._kinematics.link_poses(row) for row in flat]
        rotations = self._rotation @ np.array([r for r, _ in poses])
        origins = np.array([t for _, t in poses]) @ self._rotation.T + self._origin
        rotation, origin = rotations[:, self._links], origins[:, self._links]
        start = origin + np.einsum("hkij,kj->hki", rotation, self._starts)
        end = origin + np.einsum("hkij,kj->hki", rotation, self._ends)
        tool = origins[:, -1] + rotations[:, -1] @ self._tool
        capsules = (*shape, len(self._links), 3)
        return Bodies(
            self._names, start.reshape(capsules), end.reshape(capsules), self._radii, tool.reshape(*shape, 3)
        )

    def motion_m(self, turns_rad: ArrayLike) -> Array:
        """No distance between bodies, table and what stands still, nor the tool's place, changes by more than
        this, float64 (...,) m, while the joints turn by (..., joints) rad, in whatever posture.
        """
        return np.asarray(np.abs(turns_rad) @ self.reach_m)

    def link_gaps(self, bodies: Bodies) -> Gaps:
        """Between the links that could touch: those that are not neighbours."""
        i, j = self._pairs.T
        apart = segment_distances(
            bodies.start[..., i, :], bodies.end[..., i, :], bodies.start[..., j, :], bodies.end[..., j, :]
        )
        return Gaps(apart - bodies.radius_m[i] - bodies.radius_m[j], self._pair_names)

    def _reach(self) -> Array:
        """How far from each joint's axis the axis of a body behind it can be, float64 (joints,), m."""
        _, origins = self._kinematics.link_poses(np.zeros(self._kinematics.joints))
        hops = np.linalg.norm(np.diff(origins, axis=0), axis=1)
        links = [*self._links, *self._links, len(hops)]
        points = np.vstack((self._starts, self._ends, self._tool))
        reach = np.zeros(len(hops))
        for link, point in zip(links, points, strict=True):
            away = float(np.linalg.norm(point))
            if link:
                reach[link - 1] = max(reach[link - 1], float(np.hypot(point[0], point[1])))
            for joint in range(link - 2, -1, -1):
                away += float(hops[joint + 1])
                reach[joint] = max(reach[joint], away)
        return reach


def table_gaps(bodies: Bodies, height_m: float) -> Gaps:
    """From the links to a table of that height in the rig's frame. The base and link 1 stand on it and the
    tool works on it: they do not count.
    """
    counts = [i for i, name in enumerate(bodies.names) if name not in ("base", "link1", TOOL)]
    return _over_table(bodies, counts, height_m)


def tool_gaps(bodies: Bodies, height_m: float) -> Gaps:
    """The tool's height over a table; no pair without a tool."""
    return _over_table(bodies, [i for i, name in enumerate(bodies.names) if name == TOOL], height_m)


def other_gaps(mine: Bodies, other: Bodies, other_name: str = "the other arm") -> Gaps:
    """Between the links of two arms, in as many postures of each."""
    apart = segment_distances(
        mine.start[..., :, None, :],
        mine.end[..., :, None, :],
        other.start[..., None, :, :],
        other.end[..., None, :, :],
    )
    apart = apart - mine.radius_m[:, None] - other.radius_m
    names = [(first, f"{second} of {other_name}") for first in mine.names for second in other.names]
    return Gaps(apart.reshape(*apart.shape[:-2], len(names)), names)


PARALLEL, POINT = 1e-12, 1e-24
"""m^4 and m^2: an area, and a squared length, of nothing."""


def segment_distances(a: Array, b: Array, c: Array, d: Array) -> Array:
    """Distances between segments from a to b and from c to d, all (..., 3); points are segments too."""
    u, v, w = b - a, d - c, a - c
    uu, vv, uv = _dot(u, u), _dot(v, v), _dot(u, v)
    uw, vw = _dot(u, w), _dot(v, w)
    area = uu * vv - uv * uv
    first = np.clip(_share(uv * vw - uw * vv, area, PARALLEL), 0.0, 1.0)
    second = np.clip(_share(uv * first + vw, vv, POINT), 0.0, 1.0)
    first = np.clip(_share(uv * second - uw, uu, POINT), 0.0, 1.0)
    gap = w + first[..., None] * u - second[..., None] * v
    return np.asarray(np.sqrt(_dot(gap, gap)))


def _over_table(bodies: Bodies, counts: Sequence[int], height_m: float) -> Gaps:
    lowest = np.minimum(bodies.start[..., counts, 2], bodies.end[..., counts, 2])
    return Gaps(lowest - bodies.radius_m[counts] - height_m, [(bodies.names[i], "the table") for i in counts])


def _tool_capsules(kinematics: ArmKinematics) -> list[tuple[int, Array, Array, float]]:
    """From the flange to one radius before the tool centre point, so that the cap ends there."""
    if kinematics.tool is None:
        return []
    radius = kinematics.tool.radius_m
    start, end = kinematics.flange_in_last_link
    length = float(np.linalg.norm(end - start))
    back = min(1.0, radius / length) if length else 0.0
    return [(kinematics.joints, start, end - back * (end - start), radius)]


def _dot(a: Array, b: Array) -> Array:
    return np.asarray(np.einsum("...i,...i->...", a, b))


def _share(above: Array, below: Array, nothing: float) -> Array:
    """``above / below``, and 0 where ``below`` is nothing: parallel segments, or a point."""
    known = below > nothing
    return np.asarray(np.where(known, above / np.where(known, below, 1.0), 0.0))
