"""Gate, interpolator and limiter together, as a bridge uses them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprl_core.actions import ActionCodec
from zprl_core.errors import SafetyError
from zprl_core.safety import ChunkCommand, SafetyGate, SafetyLimits, ServoLimiter, Situation
from zprl_core.trajectory import ChunkInterpolator, InterpolatorLimits, Setpoint
from zprl_core.transforms import angle_between

MS = 1_000_000
SERVO_MS = 8
TICK_S = 0.04
LIMITS = SafetyLimits((0.10, -0.45, 0.005), (0.65, 0.45, 0.60), linear_m_s=0.6, angular_rad_s=3.0)
PATH = InterpolatorLimits(brake_m_s2=6.0, brake_rad_s2=30.0)
DOWN = (0.0, 1.0, 0.0, 0.0)
HOME = Setpoint(np.array([0.3, 0.0, 0.3]), np.array(DOWN), 0.08)


chunks = st.lists(
    st.tuples(
        st.integers(0, 6),  # servo periods from the chunk before, over a chunk's length
        st.integers(-60, 200),  # how late it comes, ms
        st.booleans(),  # lost
        st.lists(st.tuples(*[st.floats(-0.12, 0.12)] * 6, st.floats(0.0, 0.1)), min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=5,
)


def test_a_path_beyond_the_limits_is_left_at_the_speed_that_was_sent() -> None:
    """2 m/s were wished for, 0.6 m/s sent: braking takes v^2 / 2a = 30 mm, not 333."""
    gate = SafetyGate(ActionCodec("rotvec", 1, True, DOWN), LIMITS)
    path, limiter = ChunkInterpolator(HOME, PATH), ServoLimiter(LIMITS, HOME)
    actions = [[0.3, 0.08 * i, 0.3, 0.0, 0.0, 0.0, 0.08] for i in range(1, 5)]
    command = ChunkCommand("r", 0, 0, 0, TICK_S, 7, actions)
    path.add_chunk(gate.admit(command, Situation(0, "r", 0, "running", HOME)), 0)
    at_end = 0.0
    for t in range(SERVO_MS, 600, SERVO_MS):
        sent, clamped = limiter.limit(path.sample(t * MS), SERVO_MS * 1e-3)
        if clamped:
            path.amend(sent, clamped)
        if t == 160:
            at_end = float(sent.position[1])
    assert at_end < 0.6 * 0.16
    assert limiter.last.position[1] - at_end == pytest.approx(0.03, abs=1e-6)
    (outcome,) = path.take_outcomes(600 * MS)
    assert outcome.executed.position[-1, 1] == at_end and outcome.clamped_fraction > 0.5
    assert outcome.clamped_text.startswith("limits changed it: velocity ")


@settings(max_examples=60, deadline=None)
@given(chunks)
def test_whatever_comes_the_motion_respects_the_limits(
    plan: list[tuple[int, int, bool, list[tuple[float, ...]]]],
) -> None:
    gate = SafetyGate(ActionCodec("rotvec", 1, True, DOWN), LIMITS)
    path, limiter = ChunkInterpolator(HOME, PATH), ServoLimiter(LIMITS, HOME)
    due: list[tuple[int, ChunkCommand]] = []
    stamp = 0
    for index, (extra, late_ms, lost, rows) in enumerate(plan):
        actions = np.array(rows) + np.array([0.3, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0])
        stamp += extra * SERVO_MS
        if not lost:
            due.append((max(stamp + late_ms, 0), ChunkCommand("r", 0, index, stamp * MS, TICK_S, 7, actions)))
        stamp += len(rows) * 40
    admitted, outcomes = 0, []
    for t in range(SERVO_MS, stamp + 800, SERVO_MS):
        for come, command in due:
            if not t - SERVO_MS <= come < t:
                continue
            if path.needs_restart:
                path.restart(come * MS, limiter.last)
            try:
                chunk = gate.admit(command, Situation(come * MS, "r", 0, "running", limiter.last))
                path.add_chunk(chunk, max(come, t - SERVO_MS) * MS)
                admitted += 1
            except SafetyError:
                pass
        before = limiter.last
        sent, clamped = limiter.limit(path.sample(t * MS), SERVO_MS * 1e-3)
        if clamped:
            path.amend(sent, clamped)
        outcomes += path.take_outcomes(t * MS)
        step = np.linalg.norm(sent.position - before.position)
        assert step <= LIMITS.linear_m_s * SERVO_MS * 1e-3 + 1e-12
        turn = angle_between(sent.quaternion, before.quaternion)
        assert turn <= LIMITS.angular_rad_s * SERVO_MS * 1e-3 + 1e-7
        assert (sent.position >= LIMITS.workspace_low_m).all() and (
            sent.position <= LIMITS.workspace_high_m
        ).all()
    assert len(outcomes) == admitted  # every chunk that was taken is accounted for, once
    assert np.linalg.norm(limiter.last.position - before.position) == 0.0  # and at the end it holds
