"""Whether the arm does what it is told. Each function returns why it must stop, or an empty string.

Pure: the time is an argument. What is measured comes from `ArmReading`, the limits from the rig.
"""

from __future__ import annotations

import bisect

import numpy as np

from zprl_core.transforms import Array, Pose


class CommandedPoses:
    """Where an arm was told to be, for as long as it may be on its way there. Times are ns of one clock.

    Args:
        t_ns, pose: where it is told to be first.
        delay_s: from a setpoint's time to the same pose measured.
        reach_s: how old a measurement may be that is compared.
    """

    def __init__(self, t_ns: int, pose: Pose, delay_s: float, reach_s: float) -> None:
        self._delay_ns = round(delay_s * 1e9)
        self._kept_ns = self._delay_ns + round(reach_s * 1e9)
        self.restart(t_ns, pose)

    def __len__(self) -> int:
        """Poses that are kept."""
        return len(self._poses)

    def restart(self, t_ns: int, pose: Pose) -> None:
        """The path starts again here: what was commanded before does not count."""
        self._times_ns, self._poses = [t_ns], [pose]

    def add(self, t_ns: int, pose: Pose) -> None:
        """A setpoint for a time that is not before the last one's; for the same time it replaces that."""
        if t_ns == self._times_ns[-1]:
            self._poses[-1] = pose
            return
        self._times_ns.append(t_ns)
        self._poses.append(pose)
        old = bisect.bisect_right(self._times_ns, t_ns - self._kept_ns) - 1
        if old > 0:
            del self._times_ns[:old], self._poses[:old]

    def due(self, stamp_ns: int) -> Pose:
        """Where the arm must be measured at `stamp_ns`: the newest pose whose time lies its delay or more
        before; the oldest one that is kept where all are younger.
        """
        passed = bisect.bisect_right(self._times_ns, stamp_ns - self._delay_ns)
        return self._poses[max(passed - 1, 0)]


def tracking_problem(target: Pose, measured: Pose, most_m: float, most_rad: float) -> str:
    """The measured pose is too far from the one that was due (`CommandedPoses`); both in the base frame."""
    gap_m, gap_rad = measured.distance(target)
    if gap_m > most_m:
        return (
            f"the arm is {gap_m:.3f} m from where it was told to be, allowed {most_m:g} m "
            "(limits.tracking_m); is something in its way?"
        )
    if gap_rad > most_rad:
        return (
            f"the arm is turned {gap_rad:.2f} rad from how it was told to be, allowed {most_rad:g} rad "
            "(limits.tracking_rad); is something in its way?"
        )
    return ""


def contact_problem(wrench: Array | None, most_n: float | None, most_nm: float | None) -> str:
    """The external force or torque at the tool is too large, or watched and not reported.

    Args:
        wrench: float64 (6,), force (N) then torque (Nm); None where the arm does not report it.
        most_n, most_nm: limits of the norms; None: not watched.
    """
    parts = (
        ("force", "N", most_n, slice(0, 3), "external_force_n"),
        ("torque", "Nm", most_nm, slice(3, 6), "external_torque_nm"),
    )
    for what, unit, most, part, key in parts:
        if most is None:
            continue
        if wrench is None or not np.isfinite(wrench).all():
            seen = "none" if wrench is None else str(wrench)
            return f"the rig limits the external {what} (limits.{key}), and the arm reports {seen}"
        norm = float(np.linalg.norm(wrench[part]))
        if norm > most:
            return f"external {what} of {norm:.1f} {unit} at the tool, allowed {most:g} {unit} (limits.{key})"
    return ""


def stale_problem(stamp_ns: int, now_ns: int, most_s: float) -> str:
    """The newest measurement is too old, or stamped as far in the future."""
    age_s = (now_ns - stamp_ns) * 1e-9
    if abs(age_s) <= most_s:
        return ""
    when = f"{age_s:.3f} s old" if age_s > 0.0 else f"stamped {-age_s:.3f} s ahead of the clock"
    return f"the arm's state is {when}, allowed {most_s:g} s; check the connection and the clocks"


def tools_problem(mine: Pose, other: Pose, least_m: float, other_name: str = "the other arm") -> str:
    """The tool centre points of two arms, both poses in the rig's frame, are too near each other."""
    gap_m = float(np.linalg.norm(mine.position - other.position))
    if gap_m >= least_m:
        return ""
    allowed = f"allowed {least_m:g} m or more (tool_distance_m)"
    return f"the tool is {gap_m:.3f} m from that of {other_name}, {allowed}"
