"""Whether an arm does what it is told, and whether the session is alive. Pure: times are arguments."""

from __future__ import annotations

from zprl_arms.driver import ArmReading
from zprl_arms.posture import Posture
from zprl_core.config import ArmConfig
from zprl_core.safety.supervision import CommandedPoses, contact_problem, stale_problem, tracking_problem
from zprl_core.transforms import Pose


class Watch:
    """What a moving arm must stop for.

    Args:
        arm: its configuration.
        posture: of its joints and links; None: not looked at.
        lease_s: longest silence of the session, s; None: not watched.
        t_ns, start: where it is told to be first.
    """

    def __init__(
        self, arm: ArmConfig, posture: Posture | None, lease_s: float | None, t_ns: int, start: Pose
    ) -> None:
        self._arm, self._posture, self._lease_s = arm, posture, lease_s
        self._lease_ns: int | None = None
        self._commanded = CommandedPoses(t_ns, start, arm.delay_s, arm.watchdog_s)

    def restart(self, t_ns: int, pose: Pose) -> None:
        """The path starts again here."""
        self._commanded.restart(t_ns, pose)

    def commanded(self, t_ns: int, pose: Pose) -> None:
        """A setpoint for a time."""
        self._commanded.add(t_ns, pose)

    def on_lease(self, t_ns: int) -> None:
        """The session has given a sign of life."""
        self._lease_ns = t_ns

    def silence(self, t_ns: int) -> str:
        """Why an arm that is moved for the session must stop; empty while that is alive."""
        if self._lease_s is None or self._lease_ns is None:
            return ""
        if (t_ns - self._lease_ns) * 1e-9 <= self._lease_s:
            return ""
        return f"no sign of life from the session for {self._lease_s:g} s"

    def problem(self, reading: ArmReading, t_ns: int) -> str:
        """What a moving arm must stop for; empty while all is well."""
        limits, tool = self._arm.limits, reading.pose_base_tcp
        stamp_ns = t_ns if reading.stamp_ns is None else reading.stamp_ns
        due = self._commanded.due(stamp_ns)
        return (
            stale_problem(stamp_ns, t_ns, self._arm.watchdog_s)
            or tracking_problem(due, tool, limits.tracking_m, limits.tracking_rad)
            or contact_problem(reading.wrench_base, limits.external_force_n, limits.external_torque_nm)
            or ("" if self._posture is None else self._posture.nearing_problem(tool, t_ns))
            or ("" if self._posture is None else self._posture.touching_problem())
        )
