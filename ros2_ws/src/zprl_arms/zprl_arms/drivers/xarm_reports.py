"""What the controller's report channel tells, and how old it is. Time is an argument."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SLOPE = 5  # reports of which a velocity is made: stamps are when they arrived, so that two do not suffice
_LOOKS_APART_NS = 50_000_000


class Reported(NamedTuple):
    """One report.

    Attributes:
        stamp_ns: when it arrived, ns of the system clock.
        joints_rad: float64 (joints,).
        pose_mm_rpy: of the tool centre point in the base frame, mm and rad.
        mode, state: of the controller.
    """

    stamp_ns: int
    joints_rad: NDArray[np.float64]
    pose_mm_rpy: tuple[float, ...]
    mode: int
    state: int


class Reports:
    """The newest reports. One thread adds, others read.

    Args:
        joints: of the arm.
        stale_s: older than this is stale.
        last: of an earlier connection, to go on from; it is as old as it is.
    """

    def __init__(self, joints: int, stale_s: float, last: Reported | None = None) -> None:
        self._joints, self._stale_ns = joints, round(stale_s * 1e9)
        self._newest: tuple[Reported, ...] = () if last is None else (last,)
        self._old: tuple[int, int] | None = None
        self._kept: deque[Reported] = deque(maxlen=_SLOPE)

    @property
    def newest(self) -> Reported | None:
        """The last report; None before the first."""
        return self._newest[-1] if self._newest else None

    def add(
        self, stamp_ns: int, angles: Sequence[float], pose: Sequence[float], mode: int, state: int
    ) -> Reported:
        """A report has come."""
        joints = np.array(angles[: self._joints], dtype=np.float64)
        report = Reported(stamp_ns, joints, tuple(pose), mode, state)
        self._kept.append(report)
        self._newest = tuple(self._kept)
        return report

    def velocities_rad_s(self) -> NDArray[np.float64]:
        """Slope of the joint angles over the last reports, float64 (joints,)."""
        reports = self._newest
        if len(reports) < 2:
            return np.zeros(self._joints)
        stamps = np.array([report.stamp_ns - reports[0].stamp_ns for report in reports]) / 1e9
        stamps -= stamps.mean()
        spread = float(stamps @ stamps)
        if spread <= 0.0:
            return np.zeros(self._joints)
        slope: NDArray[np.float64] = stamps @ np.array([report.joints_rad for report in reports]) / spread
        return slope

    def stale_s(self, now_ns: int) -> float:
        """Age in s of the last report if it is too old, else 0.

        Takes two looks some time apart at the same old report: after a hiccup of this process, reports that
        wait in its socket are not missing.
        """
        newest = self.newest
        if newest is None or now_ns - newest.stamp_ns <= self._stale_ns:
            self._old = None
            return 0.0
        if self._old is None or self._old[0] != newest.stamp_ns:
            self._old = (newest.stamp_ns, now_ns)
        looked_ns = now_ns - self._old[1]
        return (now_ns - newest.stamp_ns) / 1e9 if looked_ns >= _LOOKS_APART_NS else 0.0
