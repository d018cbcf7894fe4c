"""Where the tool centre point may be: inside one box, outside others. Plain floats, m, base frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from zprl_core.rotation import Vector
from zprl_core.safety.limits import KeepOut, SafetyLimits
from zprl_core.safety.stopping import Stop

_ROUNDING_M = 1e-12
_SPLITS = 5  # halvings of a curve before it counts as touching


@dataclass(frozen=True)
class Region:
    """The workspace less the keep-out boxes. Faces belong to what is allowed.

    Attributes:
        low, high: corners of the workspace, m.
        keep_out: boxes that may not be entered.
    """

    low: Vector
    high: Vector
    keep_out: tuple[KeepOut, ...] = ()

    @classmethod
    def of(cls, limits: SafetyLimits) -> Region:
        """The region of an arm."""
        return cls(limits.workspace_low_m, limits.workspace_high_m, limits.keep_out)

    def around(self, point: Vector) -> Region:
        """This region; for a point outside the workspace one widened as far as that point, so that it may
        come back.
        """
        if self.holds(point):
            return self
        low = min(self.low[0], point[0]), min(self.low[1], point[1]), min(self.low[2], point[2])
        high = max(self.high[0], point[0]), max(self.high[1], point[1]), max(self.high[2], point[2])
        return replace(self, low=low, high=high)

    def holds(self, point: Vector) -> bool:
        """Whether the workspace box holds the point, up to rounding."""
        (x, y, z), low, high = point, self.low, self.high
        return (
            low[0] - _ROUNDING_M <= x <= high[0] + _ROUNDING_M
            and low[1] - _ROUNDING_M <= y <= high[1] + _ROUNDING_M
            and low[2] - _ROUNDING_M <= z <= high[2] + _ROUNDING_M
        )

    def clip(self, point: Vector) -> Vector:
        """The nearest point of the workspace box; the point itself where it lies inside."""
        return (
            min(max(point[0], self.low[0]), self.high[0]),
            min(max(point[1], self.low[1]), self.high[1]),
            min(max(point[2], self.low[2]), self.high[2]),
        )

    def nearest(self, point: Vector) -> tuple[Vector, str]:
        """A point near this one that is allowed, and what moved it: "workspace", "keep-out" or nothing."""
        inside = self.clip(point)
        reason = "" if inside == point else "workspace"
        for box in self.keep_out:
            if contains(box, inside):
                inside, reason = self._pushed(inside, box), "keep-out"
        return inside, reason

    def _pushed(self, point: Vector, box: KeepOut) -> Vector:
        """The nearest point of a box's faces that lies in the workspace."""
        options = []
        for axis in range(3):
            for face in (box.low_m[axis], box.high_m[axis]):
                if self.low[axis] <= face <= self.high[axis]:
                    options.append((abs(face - point[axis]), axis, face))
        if not options:
            return point
        _, axis, face = min(options)
        moved = list(point)
        moved[axis] = face
        return moved[0], moved[1], moved[2]

    def problem(self, start: Vector, point: Vector, stop: Stop) -> str:
        """What forbids going straight from ``start`` to ``point`` and stopping from there, or nothing."""
        hull = stop.ramp_hull()
        places = (point, hull[1], hull[2], stop.corner, stop.end)
        if not all(map(self.holds, places)):
            return "workspace"
        for box in self.keep_out:
            if _apart(box, (start, *places)):
                continue
            if crosses(box, start, point) or crosses(box, stop.corner, stop.end):
                return "keep-out"
            if _touches(box, hull, _SPLITS):
                return "keep-out"
        return ""


def contains(box: KeepOut, point: Sequence[float]) -> bool:
    """Whether the point lies inside the box, not on its faces."""
    return all(low < x < high for low, x, high in zip(box.low_m, point, box.high_m, strict=True))


def crosses(box: KeepOut, start: Sequence[float], end: Sequence[float]) -> bool:
    """Whether the straight line between two points passes through the inside of the box."""
    enter, leave = 0.0, 1.0
    for low, high, a, b in zip(box.low_m, box.high_m, start, end, strict=True):
        step = b - a
        if step == 0.0:
            if not low < a < high:
                return False
            continue
        near, far = sorted(((low - a) / step, (high - a) / step))
        enter, leave = max(enter, near), min(leave, far)
    return enter < leave


def _apart(box: KeepOut, points: Sequence[Vector]) -> bool:
    """Whether the plane of one of the box's faces has all the points on its outer side."""
    for axis, values in enumerate(zip(*points, strict=True)):
        if max(values) <= box.low_m[axis] or min(values) >= box.high_m[axis]:
            return True
    return False


def _touches(box: KeepOut, cubic: tuple[Vector, ...], splits: int) -> bool:
    """Whether a cubic, given by its control points, may enter the box; never wrong when it says no."""
    if _apart(box, cubic):
        return False
    if splits == 0 or contains(box, cubic[0]) or contains(box, cubic[3]):
        return True
    a, b, c, d = cubic
    ab, bc, cd = _middle(a, b), _middle(b, c), _middle(c, d)
    abc, bcd = _middle(ab, bc), _middle(bc, cd)
    middle = _middle(abc, bcd)
    return _touches(box, (a, ab, abc, middle), splits - 1) or _touches(box, (middle, bcd, cd, d), splits - 1)


def _middle(a: Vector, b: Vector) -> Vector:
    return 0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1]), 0.5 * (a[2] + b[2])
