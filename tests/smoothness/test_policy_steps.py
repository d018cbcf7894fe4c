"""Vel_EE and Acc_EE of the paper's section V-C, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprl_core.actions import ArmWaypoints
from zprl_core.smoothness import policy_steps
from zprl_core.trajectory import Chunk

DT_S, DT_NS = 0.05, 50_000_000
ALWAYS = [(0, 10**15)]


def chunk(first_step: int, positions: list[list[float]], source: str = "policy") -> Chunk:
    """A chunk that begins `first_step` steps after 1 s."""
    way = ArmWaypoints(np.array(positions, float), np.tile([1.0, 0.0, 0.0, 0.0], (len(positions), 1)))
    return Chunk(0, 0, 10**9 + first_step * DT_NS, DT_S, way, source)


def test_by_hand() -> None:
    """Steps of 5 cm, 0 and 3-4-5 cm in 0.05 s: 1, 0 and 1 m/s; second differences of 5 and 5 cm: 20 m/s^2."""
    found = policy_steps([chunk(0, [[0, 0, 0], [0.05, 0, 0], [0.05, 0, 0], [0.05, 0.03, 0.04]])], ALWAYS)
    assert found.steps == 4
    assert found.velocity_m_s == pytest.approx(2 / 3)
    assert found.acceleration_m_s2 == pytest.approx(20.0)


def test_chunks_are_joined_over_their_seam() -> None:
    ahead = chunk(0, [[0.00, 0, 0], [0.01, 0, 0]])
    behind = chunk(2, [[0.02, 0, 0], [0.10, 0, 0]])
    found = policy_steps([ahead, behind], ALWAYS)
    assert found.steps == 4
    assert found.velocity_m_s == pytest.approx((0.01 + 0.01 + 0.08) / 3 / DT_S)
    assert found.acceleration_m_s2 == pytest.approx((0.0 + 0.07) / 2 / DT_S**2)


def test_a_later_chunk_replaces_the_rest_of_the_one_before() -> None:
    old = chunk(0, [[0.0, 0, 0], [0.01, 0, 0], [9.0, 0, 0], [9.0, 0, 0]])
    found = policy_steps([old, chunk(2, [[0.02, 0, 0]])], ALWAYS)
    assert found.steps == 3 and found.velocity_m_s == pytest.approx(0.2)


def test_over_a_missing_chunk_and_over_a_pause_there_is_no_difference() -> None:
    far = [chunk(0, [[0.0, 0, 0], [0.01, 0, 0]]), chunk(9, [[5.0, 0, 0], [5.01, 0, 0]])]
    found = policy_steps(far, ALWAYS)
    assert found.steps == 4 and found.velocity_m_s == pytest.approx(0.2)
    assert found.acceleration_m_s2 is None  # never three in a row
    joined = chunk(0, [[0.0, 0, 0], [0.01, 0, 0], [5.0, 0, 0], [5.01, 0, 0]])
    pause = [(0, 10**9 + 2 * DT_NS), (10**9 + 2 * DT_NS + 2_000_000, 10**15)]
    assert policy_steps([joined], pause).velocity_m_s == pytest.approx(0.2)


def test_what_came_due_after_the_episode_was_over_does_not_count() -> None:
    way = chunk(0, [[0, 0, 0], [0.01, 0, 0], [7.0, 0, 0]])
    for early_ns in (0, DT_NS // 3):  # a real arm is told a servo period ahead
        found = policy_steps([way], [(10**9, 10**9 + 2 * DT_NS - early_ns)])
        assert found.steps == 2 and found.velocity_m_s == pytest.approx(0.2)


def test_nothing_is_known_of_nothing() -> None:
    for nothing in (policy_steps([], ALWAYS), policy_steps([chunk(0, [[0, 0, 0]])], []),
                    policy_steps([chunk(0, [[0, 0, 0]])], ALWAYS)):  # fmt: skip
        assert nothing.velocity_m_s is None and nothing.acceleration_m_s2 is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-1.0, 1.0)] * 3), min_size=3, max_size=40), st.integers(1, 8))
def test_however_the_positions_are_cut_into_chunks(positions: list[tuple[float, ...]], size: int) -> None:
    """And the same as the paper's formulas, written down once more."""
    rows = [list(p) for p in positions]
    chunks = [chunk(i, rows[i : i + size]) for i in range(0, len(rows), size)]
    found, a = policy_steps(chunks, ALWAYS), np.array(rows)
    velocity = np.linalg.norm((a[1:] - a[:-1]) / DT_S, axis=1).mean()
    acceleration = np.linalg.norm((a[2:] + a[:-2] - 2 * a[1:-1]) / DT_S**2, axis=1).mean()
    assert found.velocity_m_s == pytest.approx(velocity, abs=1e-9)
    assert found.acceleration_m_s2 == pytest.approx(acceleration, abs=1e-9)
