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


class Bodies(NamedTuple):
    """The capsules of an arm in one or more postures, rig frame.

    Attributes:
        names: of the k capsules: "base", "link1", ..., "tool".
        start, end: of their axes, float64 (..., k, 3), m.
        radius_m: float64 (k,).
    """

    names: tuple[str, ...]
    start: Array
    end: Array
    radius_m: Array


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

    def at(self, joints_rad: ArrayLike) -> Bodies:
        """Where they are for joint angles (..., joints)."""
        joints = np.asarray(joints_rad, dtype=np.float64)
        flat = joints.reshape(-1, joints.shape[-1])
        poses = [self._kinematics.link_poses(row) for row in flat]
        rotation = self._rotation @ np.array([r for r, _ in poses])[:, self._links]
        origin = np.array([t for _, t in poses])[:, self._links] @ self._rotation.T + self._origin
        shape = (*joints.shape[:-1], len(self._links), 3)
        start = origin + np.einsum("hkij,kj->hki", rotation, self._starts)
        end = origin + np.einsum("hkij,kj->hki", rotation, self._ends)
        return Bodies(self._names, start.reshape(shape), end.reshape(shape), self._radii)

    def link_distances(self, bodies: Bodies) -> Array:
        """Distances of the pairs of links that could touch, float64 (..., pairs), m."""
        i, j = self._pairs.T
        gaps = segment_distances(
            bodies.start[..., i, :], bodies.end[..., i, :], bodies.start[..., j, :], bodies.end[..., j, :]
        )
        return np.asarray(gaps - bodies.radius_m[i] - bodies.radius_m[j])

    def nearest_links(self, bodies: Bodies) -> Nearest:
        """Of one posture: the links, not neighbours, that are nearest to each other."""
        distances = self.link_distances(bodies)
        worst = int(distances.argmin())
        i, j = self._pairs[worst]
        return Nearest(float(distances[worst]), self._names[i], self._names[j])


def nearest_to_table(bodies: Bodies, height_m: float) -> Nearest:
    """Of one posture: the link nearest to a table of that height in the rig's frame. The base and link 1
    stand on it and the tool works on it: they do not count.
    """
    counts = [i for i, name in enumerate(bodies.names) if name not in ("base", "link1", TOOL)]
    return _lowest(bodies, counts, height_m)


def tool_over_table(bodies: Bodies, height_m: float) -> Nearest | None:
    """Of one posture: the tool's height over a table; None without a tool."""
    tools = [i for i, name in enumerate(bodies.names) if name == TOOL]
    return _lowest(bodies, tools, height_m) if tools else None


def nearest_to_other(mine: Bodies, other: Bodies, other_name: str = "the other arm") -> Nearest:
    """Of one posture of each: the nearest links of two arms."""
    gaps = segment_distances(
        mine.start[:, None, :], mine.end[:, None, :], other.start[None, :, :], other.end[None, :, :]
    )
    distances = gaps - mine.radius_m[:, None] - other.radius_m[None, :]
    i, j = np.unravel_index(int(distances.argmin()), distances.shape)
    return Nearest(float(distances[i, j]), mine.names[i], f"{other.names[j]} of {other_name}")


def segment_distances(a: Array, b: Array, c: Array, d: Array) -> Array:
    """Distances between segments from a to b and from c to d, all (..., 3); points are segments too."""
    u, v, w = b - a, d - c, a - c
    uu, vv, uv = _dot(u, u), _dot(v, v), _dot(u, v)
    uw, vw = _dot(u, w), _dot(v, w)
    area = uu * vv - uv * uv
    first = np.clip(_share(uv * vw - uw * vv, area), 0.0, 1.0)
    second = np.clip(_share(uv * first + vw, vv), 0.0, 1.0)
    first = np.clip(_share(uv * second - uw, uu), 0.0, 1.0)
    gap = w + first[..., None] * u - second[..., None] * v
    return np.asarray(np.sqrt(_dot(gap, gap)))


def _lowest(bodies: Bodies, counts: Sequence[int], height_m: float) -> Nearest:
    lowest = np.minimum(bodies.start[counts, 2], bodies.end[counts, 2]) - bodies.radius_m[counts] - height_m
    worst = int(lowest.argmin())
    return Nearest(float(lowest[worst]), bodies.names[counts[worst]], "the table")


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


def _share(above: Array, below: Array) -> Array:
    """``above / below``, and 0 where ``below`` is (nearly) nothing: parallel segments, or a point."""
    return np.asarray(np.where(below > 1e-12, above / np.where(below > 1e-12, below, 1.0), 0.0))
