from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprl_core.actions import ActionCodec
from zprl_core.errors import ConfigError, SafetyError
from zprl_core.safety import (
    DEFAULT_CHECKS,
    ChunkCommand,
    Purpose,
    SafetyGate,
    SafetyLimits,
    ServoLimiter,
    Situation,
    may_move,
)
from zprl_core.trajectory import Chunk, Setpoint
from zprl_core.transforms import angle_between, quaternion_from_rotvec

MS = 1_000_000
LIMITS = SafetyLimits(
    (-0.5, -0.5, 0.0), (0.5, 0.5, 0.5), workspace_tolerance_m=0.02, linear_m_s=0.5, angular_rad_s=2.0
)
HOME = Setpoint(np.array([0.0, 0.0, 0.2]), np.array([1.0, 0.0, 0.0, 0.0]), 0.08)
GATE = SafetyGate(ActionCodec("rotvec", 1, True), LIMITS)
HERE = Situation(1000 * MS, "run", 3, "running", HOME)


def waypoints(steps: int = 3, x: float = 0.01) -> np.ndarray:
    rows = np.zeros((steps, 7))
    rows[:, 0], rows[:, 2], rows[:, 6] = x, 0.2, 0.05
    return rows


def command(**changes: object) -> ChunkCommand:
    good = ChunkCommand("run", 3, 5, 1000 * MS, 0.1, 7, waypoints())
    return replace(good, **changes)  # type: ignore[arg-type]


def test_a_good_chunk_is_decoded() -> None:
    chunk = GATE.admit(command(), HERE)
    assert (chunk.episode, chunk.index, chunk.stamp_ns, chunk.dt_s) == (3, 5, 1000 * MS, 0.1)
    np.testing.assert_allclose(chunk.waypoints.position[0], [0.01, 0.0, 0.2])
    flat = GATE.admit(command(actions=waypoints().reshape(-1).tolist()), HERE)
    np.testing.assert_array_equal(flat.waypoints.position, chunk.waypoints.position)


def not_finite() -> np.ndarray:
    rows = waypoints()
    rows[1, 4] = math.nan
    return rows


REFUSED: list[tuple[dict[str, object], str]] = [
    ({"run_id": "another"}, "for run 'another', this is run 'run'"),
    ({"episode": 2}, "for episode 2, this is episode 3"),
    ({"actions": not_finite()}, r"value nan at index \(1, 4\)"),
    ({"dim": 8}, "8 numbers per waypoint, this arm takes 7"),
    ({"actions": np.zeros(13)}, "no whole number of waypoints"),
    ({"actions": np.zeros(0)}, "no whole number of waypoints"),
    ({"dt_s": 0.0}, "dt_s 0.0"),
    ({"dt_s": math.nan}, "dt_s nan"),
    ({"stamp_ns": 400 * MS}, "0.600 s old, allowed 0.500"),
    ({"stamp_ns": 2100 * MS}, "1.100 s ahead, allowed 1.000"),
    ({"stamp_ns": 650 * MS}, "all of its 3 waypoints lie in the past"),
    ({"actions": waypoints(x=0.53)}, "0.030 m outside the workspace"),
    ({"actions": waypoints(x=0.11)}, "starts 0.110 m away, allowed: within 0.100 m"),
    ({"actions": waypoints() + np.eye(7)[5] * 0.9}, "starts 0.90 rad away"),
    ({"source": "homing"}, "no motion for homing while the session is running"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_a_bad_chunk_is_refused_with_the_reason(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SafetyError, match=f"^chunk {changes.get('episode', 3)}/5: .*{message}"):
        GATE.admit(command(**changes), HERE)


def test_a_late_chunk_is_measured_at_its_first_waypoint_to_come() -> None:
    rows = waypoints()
    rows[:, 0] = [0.4, 0.05, 0.05]  # the first lies far away, but its time has passed
    assert GATE.admit(command(actions=rows, stamp_ns=850 * MS), HERE)
    with pytest.raises(SafetyError, match=r"0\.400 m away"):
        GATE.admit(command(actions=rows), HERE)


@pytest.mark.parametrize(
    "state",
    [
        "idle",
        "resetting",
        "ready",
        "running",
        "judging",
        "labelled",
        "done",
        "paused",
        "stopped",
        "faulted",
        "",
    ],
)
def test_the_lease(state: str) -> None:
    assert may_move(state, "policy") == (state == "running")
    assert may_move(state, "homing") == (state == "resetting")
    situation = replace(HERE, session_state=state)
    allowed: tuple[tuple[Purpose, str], ...] = (("policy", "running"), ("homing", "resetting"))
    for purpose, where in allowed:
        if state == where:
            assert GATE.admit(command(source=purpose), situation)
        else:
            with pytest.raises(SafetyError, match="no motion for"):
                GATE.admit(command(source=purpose), situation)


def test_checks_can_be_added() -> None:
    def no_third_waypoint(chunk: Chunk, situation: Situation, limits: SafetyLimits) -> str:
        return "three is too many" if len(chunk.waypoints) > 2 else ""

    gate = SafetyGate(ActionCodec("rotvec", 1, True), LIMITS, [*DEFAULT_CHECKS, no_third_waypoint])
    with pytest.raises(SafetyError, match="three is too many"):
        gate.admit(command(), HERE)
    assert gate.admit(command(actions=waypoints(2)), HERE)


def test_speed_limits_by_hand() -> None:
    limiter = ServoLimiter(LIMITS, HOME)
    turned = quaternion_from_rotvec([0, 0, 0.1])
    # 10 ms: 5 mm, 0.02 rad and 2 mm of gripper are allowed.
    sent, clamped = limiter.limit(Setpoint(np.array([0.03, 0.04, 0.2]), turned, 0.0), 0.01)
    np.testing.assert_allclose(sent.position, [0.003, 0.004, 0.2])
    np.testing.assert_allclose(sent.quaternion, quaternion_from_rotvec([0, 0, 0.02]))
    assert sent.gripper_width == pytest.approx(0.078)
    assert clamped
    wanted = Setpoint(np.array([0.004, 0.004, 0.2]), quaternion_from_rotvec([0, 0, 0.03]), 0.077)
    sent, clamped = limiter.limit(wanted, 0.01)
    assert not clamped
    assert sent.position is wanted.position and sent.quaternion is wanted.quaternion


def test_a_pause_earns_no_leap() -> None:
    sent, _ = ServoLimiter(LIMITS, HOME).limit(Setpoint(np.array([0.4, 0.0, 0.2]), HOME.quaternion), 10.0)
    assert sent.position[0] == pytest.approx(0.5 * 0.05)
    assert sent.gripper_width == 0.08


def test_positions_are_clamped_to_the_box() -> None:
    limiter = ServoLimiter(replace(LIMITS, linear_m_s=1000.0), HOME)
    sent, clamped = limiter.limit(Setpoint(np.array([0.6, 0.0, -0.1]), HOME.quaternion, 0.2), 0.01)
    np.testing.assert_allclose(sent.position, [0.5, 0.0, 0.0])
    assert clamped


def test_non_finite_setpoints_are_refused_and_leave_nothing() -> None:
    limiter = ServoLimiter(LIMITS, HOME)
    for bad in (
        Setpoint(np.array([math.nan, 0, 0]), HOME.quaternion),
        Setpoint(HOME.position, np.array([1, 0, 0, math.inf])),
        Setpoint(HOME.position, HOME.quaternion, math.nan),
    ):
        with pytest.raises(SafetyError, match="must be finite"):
            limiter.limit(bad, 0.01)
    with pytest.raises(SafetyError, match="must be finite"):
        limiter.limit(HOME, math.nan)
    np.testing.assert_array_equal(limiter.last.position, HOME.position)


@pytest.mark.parametrize(
    "changes",
    [
        {"workspace_low_m": (0.6, -0.5, 0.0)},
        {"workspace_high_m": (0.5, 0.5, math.nan)},
        {"linear_m_s": 0.0},
        {"angular_rad_s": math.inf},
        {"jump_m": -1.0},
        {"gripper_low_m": 0.2},
        {"max_late_s": math.nan},
    ],
)
def test_impossible_limits_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        replace(LIMITS, **changes)  # type: ignore[arg-type]


def test_the_gate_is_for_one_arm_with_poses() -> None:
    with pytest.raises(ConfigError, match="one arm"):
        SafetyGate(ActionCodec("quat", 2, True), LIMITS)
    with pytest.raises(ConfigError, match="one arm"):
        SafetyGate(ActionCodec("none", raw_dim=4), LIMITS)


anything = st.floats(allow_nan=True, allow_infinity=True, width=64)
mostly_fine = st.one_of(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0), st.floats(-2.0, 2.0), anything)
setpoints = st.tuples(*[mostly_fine] * 3, *[st.floats(-1, 1)] * 4, mostly_fine, st.floats(-0.01, 0.2))


@settings(max_examples=80, deadline=None)
@given(st.lists(setpoints, min_size=1, max_size=12))
def test_whatever_is_wanted_the_limits_hold(wanted: list[tuple[float, ...]]) -> None:
    limiter = ServoLimiter(LIMITS, HOME)
    for x, y, z, a, b, c, d, width, step_s in wanted:
        quaternion = np.array([a, b, c, d])
        length = np.linalg.norm(quaternion)
        quaternion = quaternion / length if length > 1e-3 else HOME.quaternion
        last, step = limiter.last, min(max(step_s, 0.0), LIMITS.max_step_s)
        try:
            sent, _ = limiter.limit(Setpoint(np.array([x, y, z]), quaternion, width), step_s)
        except SafetyError:
            assert not np.isfinite([x, y, z, width]).all()
            assert limiter.last is last
            continue
        assert np.isfinite([x, y, z, width]).all()
        assert np.isfinite(sent.position).all() and np.isfinite(sent.quaternion).all()
        assert np.linalg.norm(sent.position - last.position) <= LIMITS.linear_m_s * step + 1e-12
        assert angle_between(sent.quaternion, last.quaternion) <= LIMITS.angular_rad_s * step + 1e-7
        assert sent.gripper_width is not None and last.gripper_width is not None
        assert abs(sent.gripper_width - last.gripper_width) <= LIMITS.gripper_m_s * step + 1e-12
        assert (sent.position >= np.array(LIMITS.workspace_low_m) - 1e-12).all()
        assert (sent.position <= np.array(LIMITS.workspace_high_m) + 1e-12).all()
        assert LIMITS.gripper_low_m <= sent.gripper_width <= LIMITS.gripper_high_m


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(*[mostly_fine] * 7), min_size=1, max_size=4), st.integers(-2000, 3000))
def test_nothing_bad_is_admitted(rows: list[tuple[float, ...]], stamp_ms: int) -> None:
    try:
        chunk = GATE.admit(command(actions=np.array(rows), stamp_ns=stamp_ms * MS), HERE)
    except SafetyError as error:
        assert str(error).startswith("chunk 3/5: ")
        return
    assert np.isfinite(chunk.waypoints.position).all() and np.isfinite(chunk.waypoints.quaternion).all()
    assert (
        chunk.waypoints.position <= np.array(LIMITS.workspace_high_m) + LIMITS.workspace_tolerance_m
    ).all()
    assert 500 <= stamp_ms <= 2000
