"""Whether the arm does what it is told: by hand."""

from __future__ import annotations

import numpy as np
import pytest

from zprl_core.safety.supervision import contact_problem, stale_problem, tools_problem, tracking_problem
from zprl_core.transforms import Pose, quaternion_from_rotvec

HERE = Pose(np.array([0.3, 0.0, 0.2]))


@pytest.mark.parametrize(
    ("move", "turn", "reason"),
    [
        (0.09, 0.0, ""),
        (0.11, 0.0, "0.110 m from where it was told to be, allowed 0.1 m (limits.tracking_m)"),
        (0.0, 0.59, ""),
        (0.0, 0.61, "turned 0.61 rad from how it was told to be, allowed 0.6 rad"),
    ],
)
def test_tracking(move: float, turn: float, reason: str) -> None:
    measured = Pose(HERE.position + np.array([0.0, move, 0.0]), quaternion_from_rotvec([turn, 0.0, 0.0]))
    found = tracking_problem(HERE, measured, 0.1, 0.6)
    assert reason in found and bool(found) == bool(reason)


@pytest.mark.parametrize(
    ("wrench", "most_n", "most_nm", "reason"),
    [
        ([3.0, 4.0, 0.0, 0.0, 0.0, 9.0], 6.0, None, ""),  # 5 N
        ([3.0, 4.0, 0.0, 0.0, 0.0, 9.0], 4.0, None, "force of 5.0 N at the tool, allowed 4 N"),
        ([3.0, 4.0, 0.0, 0.0, 0.0, 9.0], 6.0, 8.0, "torque of 9.0 Nm at the tool, allowed 8 Nm"),
        (None, None, None, ""),
        (None, 6.0, None, "limits.external_force_n), and the arm reports none"),
        ([np.nan] * 6, None, 8.0, "external torque (limits.external_torque_nm), and the arm reports"),
    ],
)
def test_contact(
    wrench: list[float] | None, most_n: float | None, most_nm: float | None, reason: str
) -> None:
    found = contact_problem(None if wrench is None else np.array(wrench), most_n, most_nm)
    assert reason in found and bool(found) == bool(reason)


def test_stale() -> None:
    second = 1_000_000_000
    assert stale_problem(second, second + 50_000_000, 0.05) == ""
    assert "0.060 s old, allowed 0.05 s" in stale_problem(second, second + 60_000_000, 0.05)
    assert "stamped 0.060 s ahead of the clock" in stale_problem(second, second - 60_000_000, 0.05)


def test_two_tools() -> None:
    other = Pose(HERE.position + np.array([0.0, 0.03, 0.04]))
    assert tools_problem(HERE, other, 0.05) == ""
    assert "0.050 m from that of right, allowed 0.06 m" in tools_problem(HERE, other, 0.06, "right")
