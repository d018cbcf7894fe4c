from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprl_core import rotation as rot
from zprl_core.actions import ArmWaypoints
from zprl_core.errors import ConfigError, DataError, SafetyError
from zprl_core.trajectory import Chunk, ChunkInterpolator, InterpolatorLimits, PoseSpline, Setpoint
from zprl_core.transforms import angle_between, quaternion_from_rotvec, rotvec_from_quaternion

MS = 1_000_000
TICK_S = 0.04  # four servo periods of 10 ms
H = 4
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def at(x: float = 0.0, width: float | None = None, turn: float = 0.0) -> Setpoint:
    return Setpoint(np.array([x, 0.0, 0.0]), quaternion_from_rotvec([0.0, 0.0, turn]), width)


def chunk(
    xs: list[float],
    index: int = 0,
    stamp_ms: int = 0,
    widths: list[float] | None = None,
    turn_per_m: float = 0.0,
) -> Chunk:
    position = np.zeros((len(xs), 3))
    position[:, 0] = xs
    quaternion = quaternion_from_rotvec([[0.0, 0.0, turn_per_m * x] for x in xs])
    gripper = None if widths is None else np.array(widths)
    return Chunk(0, index, stamp_ms * MS, TICK_S, ArmWaypoints(position, quaternion, gripper))


def line(index: int, speed: float = 0.1) -> Chunk:
    """Chunk ``index`` of a straight motion that was at x = 0 at time 0."""
    xs = [speed * TICK_S * (index * H + i + 1) for i in range(H)]
    return chunk(xs, index, index * 160, turn_per_m=2.0)


def moving(limits: InterpolatorLimits | None = None) -> ChunkInterpolator:
    """After chunk 0 of `line`, at its end, 160 ms."""
    arm = ChunkInterpolator(at(), limits)
    arm.add_chunk(line(0), 0)
    for t in range(10, 161, 10):
        arm.sample(t * MS)
    return arm


@pytest.mark.parametrize("rate_hz", [7, 10, 15, 20, 30])
@pytest.mark.parametrize("length", [1, 2, 5, 8, 16, 24])
def test_on_a_grid_a_chunk_ends_before_the_next_begins(rate_hz: int, length: int) -> None:
    """Tick n of a grid is at the whole nanoseconds of n / rate."""
    waypoints = ArmWaypoints(np.zeros((length, 3)), np.tile(IDENTITY, (length, 1)), None)
    for n in range(3 * rate_hz):
        stamp, following = n * 10**9 // rate_hz, (n + length) * 10**9 // rate_hz
        assert 0 <= following - Chunk(0, 0, stamp, 1.0 / rate_hz, waypoints).end_ns <= 1


def test_waypoints_are_reached_at_the_end_of_their_ticks() -> None:
    arm = ChunkInterpolator(at(), InterpolatorLimits(blend_s=0.04, blend_m_s2=100.0))
    arm.add_chunk(chunk([0.01, 0.02, 0.03, 0.03]), 0)
    reached = [arm.sample(t * MS).position[0] for t in (40, 80, 120, 160)]
    np.testing.assert_allclose(reached, [0.01, 0.02, 0.03, 0.03], atol=1e-12)
    (outcome,) = arm.take_outcomes(160 * MS)
    assert outcome.complete and outcome.skipped_steps == 0
    np.testing.assert_allclose(outcome.executed.position[:, 0], reached)


def test_consecutive_chunks_of_one_line_are_one_line() -> None:
    arm = moving()
    for index in (1, 2):
        arm.add_chunk(line(index), index * 160 * MS)  # lockstep: at the very moment at which it begins
        for t in range(index * 160 + 10, index * 160 + 161, 10):
            setpoint = arm.sample(t * MS)
            assert setpoint.position[0] == pytest.approx(0.1 * t * 1e-3, abs=1e-9)
            np.testing.assert_allclose(
                rotvec_from_quaternion(setpoint.quaternion), [0, 0, 0.2 * t * 1e-3], atol=1e-9
            )
    first, second, third = arm.take_outcomes(480 * MS)
    assert first.seam_velocity_jump_m_s == pytest.approx(0.1)  # from rest
    for outcome in (second, third):
        assert outcome.complete
        assert outcome.seam_gap_s == 0.0
        assert outcome.seam_offset_m < 1e-12 and outcome.seam_velocity_jump_m_s < 1e-9
        assert outcome.first_motion_s == pytest.approx(0.01)


def test_sampling_more_often_changes_nothing() -> None:
    def run(step_ms: int) -> list[float]:
        arm = ChunkInterpolator(at())
        arm.add_chunk(chunk([0.01, 0.03, 0.02, 0.05]), 0)
        found = []
        for t in range(step_ms, 321, step_ms):
            if t == 120:
                arm.add_chunk(chunk([0.0, 0.1, 0.2, 0.2], 1, 160), t * MS)
            position = arm.sample(t * MS).position[0]
            if t % 40 == 0:
                found.append(float(position))
        return found

    assert run(40) == run(5)


def test_a_late_head_is_skipped_and_not_replayed_fast() -> None:
    arm = ChunkInterpolator(at())
    late = chunk([0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.14, 0.16])  # 0.5 m/s
    assert arm.add_chunk(late, 100 * MS) == 2  # due at 40 and 80 ms
    speed = 0.0
    before = arm.sample(100 * MS).position[0]
    for t in range(101, 321):
        now = arm.sample(t * MS).position[0]
        speed, before = max(speed, (now - before) * 1000), now
    # The path's own speed, what the blend adds to close the gap, and a third of the difference of velocities.
    assert speed < 0.5 + 0.25 + 0.5 / 3
    (outcome,) = arm.take_outcomes(320 * MS)
    assert outcome.skipped_steps == 2
    np.testing.assert_allclose(outcome.executed.position[:2, 0], 0.0)
    assert outcome.seam_offset_m == pytest.approx(0.05)


def test_a_chunk_that_is_over_is_refused() -> None:
    arm = ChunkInterpolator(at())
    with pytest.raises(SafetyError, match=r"came 0\.040 s after its end"):
        arm.add_chunk(line(0), 200 * MS)


def test_without_a_chunk_it_brakes_holds_and_trips() -> None:
    limits = InterpolatorLimits(brake_m_s2=1.0, brake_rad_s2=2.0, watchdog_s=0.2)
    arm = moving(limits)
    positions = [arm.sample(t * MS).position[0] for t in range(160, 360)]
    assert arm.status.value == "braking"
    # v^2 / 2a = 0.1^2 / 2 = 5 mm, reached after 0.1 s.
    assert positions[-1] - positions[0] == pytest.approx(0.005, abs=1e-9)
    assert positions[110] == positions[-1]
    deceleration = np.diff(positions, 2) * 1e6
    assert (deceleration > -1.0 - 1e-6).all() and (deceleration < 1e-6).all()
    arm.sample(361 * MS)
    assert arm.status.value == "tripped" and arm.needs_restart
    with pytest.raises(SafetyError, match="tripped; restart"):
        arm.add_chunk(line(1), 362 * MS)
    measured = at(0.018)
    arm.restart(370 * MS, measured)
    assert arm.sample(380 * MS).position[0] == 0.018
    arm.add_chunk(chunk([0.019, 0.02], 1, 380), 380 * MS)
    assert arm.sample(381 * MS).position[0] == pytest.approx(0.018, abs=1e-4)


def test_a_gap_below_the_watchdog_goes_on_and_is_reported() -> None:
    arm = moving()
    arm.sample(190 * MS)
    arm.add_chunk(line(1), 200 * MS)
    velocities = np.diff([arm.sample(t * MS).position[0] for t in range(200, 321)]) * 1000
    assert abs(np.diff(velocities)).max() < 0.02  # no jump of velocity
    (_, outcome) = arm.take_outcomes(320 * MS)
    assert outcome.seam_gap_s == pytest.approx(0.04)
    assert outcome.skipped_steps == 0


def test_stop_interrupts_and_wants_the_measured_pose() -> None:
    arm = ChunkInterpolator(at(0.0, width=0.08))
    arm.add_chunk(chunk([0.01, 0.02, 0.03, 0.04], widths=[0.06, 0.04, 0.02, 0.0]), 0)
    arm.add_chunk(chunk([0.05] * 4, 1, 160, widths=[0.0] * 4), 0)
    arm.sample(80 * MS)
    arm.stop(100 * MS, "stopped by Ada")
    dropped, outcome = arm.take_outcomes(100 * MS)
    assert (dropped.index, dropped.reason) == (1, "stopped by Ada")
    assert (outcome.index, outcome.reason) == (0, "stopped by Ada")
    held = arm.sample(2000 * MS)
    assert held.gripper_width == pytest.approx(0.03)  # half-way between 0.04 at 80 ms and 0.02 at 120 ms
    with pytest.raises(SafetyError, match="stopped; restart"):
        arm.add_chunk(chunk([0.0], 2, 2000), 2000 * MS)
    # The fingers measure wider than commanded because something is between them: the command stays.
    arm.restart(2000 * MS, at(0.021, width=0.055))
    again = arm.sample(2010 * MS)
    assert again.position[0] == 0.021 and again.gripper_width == pytest.approx(0.03)


def test_a_newer_chunk_replaces_the_rest_of_the_old_one_smoothly() -> None:
    arm = ChunkInterpolator(at())
    arm.add_chunk(chunk([0.01, 0.02, 0.03, 0.04]), 0)
    for t in range(1, 81):
        arm.sample(t * MS)
    arm.add_chunk(chunk([0.03, 0.03, 0.03, 0.03], 1, 80), 80 * MS)
    positions = [arm.sample(t * MS).position[0] for t in range(81, 241)]
    assert positions[-1] == pytest.approx(0.03)
    assert max(positions) < 0.035
    assert abs(np.diff(positions, 2)).max() * 1e3 < 0.02  # m/s from one ms to the next
    old, new = arm.take_outcomes(240 * MS)
    assert old.reason == "replaced by chunk 0/1 on its way"
    assert new.complete


def test_a_waiting_chunk_is_replaced_by_one_for_the_same_time() -> None:
    arm = ChunkInterpolator(at())
    arm.add_chunk(chunk([0.5], 0, 100), 0)
    arm.add_chunk(chunk([0.001], 1, 100), 10 * MS)
    arm.sample(140 * MS)
    first, second = arm.take_outcomes(140 * MS)
    assert first.reason == "replaced by chunk 0/1 before it began"
    assert second.complete and second.executed.position[0, 0] == pytest.approx(0.001)


def test_what_was_clamped_is_what_was_executed() -> None:
    arm = ChunkInterpolator(at(), InterpolatorLimits(blend_s=0.01, blend_m_s2=1000.0))
    arm.add_chunk(chunk([0.01, 0.02]), 0)
    for t in (20, 40, 60, 80):
        arm.sample(t * MS)
        if t >= 60:
            arm.amend(at(0.011), ["jerk", "velocity"] if t == 80 else ["velocity"])
    (outcome,) = arm.take_outcomes(80 * MS)
    np.testing.assert_allclose(outcome.executed.position[:, 0], [0.01, 0.011])
    assert outcome.clamped_fraction == 0.5
    assert outcome.clamped_by == {"velocity": 0.5, "jerk": 0.25}


def test_the_gripper_moves_linearly() -> None:
    arm = ChunkInterpolator(at(0.0, width=0.08))
    arm.add_chunk(chunk([0.0, 0.0], widths=[0.04, 0.04]), 0)
    widths = [arm.sample(t * MS).gripper_width for t in (10, 20, 40, 80, 200)]
    np.testing.assert_allclose(np.array(widths, dtype=float), [0.07, 0.06, 0.04, 0.04, 0.04])


def test_the_gripper_of_a_late_chunk_catches_up_no_faster_than_it_may() -> None:
    """0.1 m/s, or as fast as the chunk itself goes, which is 0.25 m/s in its last tick."""
    arm = ChunkInterpolator(at(0.0, width=0.08))
    arm.sample(50 * MS)
    assert arm.add_chunk(chunk([0.0] * 4, widths=[0.05, 0.05, 0.05, 0.06]), 50 * MS) == 1
    widths = [arm.sample(t * MS).gripper_width for t in (80, 100, 120, 160, 200)]
    np.testing.assert_allclose(np.array(widths, dtype=float), [0.077, 0.075, 0.073, 0.063, 0.063])


def test_time_does_not_go_back() -> None:
    arm = ChunkInterpolator(at())
    arm.sample(100 * MS)
    arm.sample(100 * MS - 500)  # rounding
    with pytest.raises(SafetyError, match="time went back"):
        arm.sample(90 * MS)


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match="dt_s"):
        Chunk(0, 0, 0, 0.0, chunk([0.0]).waypoints)
    with pytest.raises(DataError, match="no waypoints"):
        Chunk(0, 0, 0, 0.1, ArmWaypoints(np.zeros((0, 3)), np.zeros((0, 4))))
    with pytest.raises(DataError, match="must be finite"):
        ChunkInterpolator(at(float("nan")))
    with pytest.raises(ConfigError, match="blend_s"):
        InterpolatorLimits(blend_s=0.0)
    arm = ChunkInterpolator(at())
    for index in range(4):
        arm.add_chunk(chunk([0.0], index, 100 * (index + 1)), 0)
    with pytest.raises(SafetyError, match="4 chunks wait"):
        arm.add_chunk(chunk([0.0], 4, 900), 0)


coordinates = st.floats(-0.5, 0.5, allow_subnormal=False)
waypoint_lists = st.lists(st.tuples(coordinates, coordinates, coordinates), min_size=2, max_size=6)


@settings(max_examples=60, deadline=None)
@given(waypoint_lists)
def test_the_path_stays_between_its_waypoints(points: list[tuple[float, float, float]]) -> None:
    position = np.array(points)
    spline = PoseSpline(position, np.tile(IDENTITY, (len(points), 1)), TICK_S)
    for i in range(len(points) - 1):
        low, high = np.minimum(*position[i : i + 2]), np.maximum(*position[i : i + 2])
        for u in np.linspace(0.0, 1.0, 7):
            found = np.array(spline.state((i + 1 + u) * TICK_S).position)
            assert (found >= low - 1e-9).all() and (found <= high + 1e-9).all()


@settings(max_examples=60, deadline=None)
@given(waypoint_lists, st.floats(0.0, 3.0))
def test_stated_velocities_are_the_derivatives(
    points: list[tuple[float, float, float]], scale: float
) -> None:
    turns = quaternion_from_rotvec(scale * np.array(points))
    spline = PoseSpline(np.array(points), turns, TICK_S)
    step = 1e-6
    for s in np.linspace(0.5 * TICK_S, (len(points) + 0.5) * TICK_S, 23):
        before, now, after = (spline.state(s + d) for d in (-step, 0.0, step))
        velocity = (np.array(after.position) - np.array(before.position)) / (2 * step)
        np.testing.assert_allclose(velocity, now.velocity, atol=2e-3)
        turn = rot.log(rot.multiply(rot.conjugate(before.quaternion), after.quaternion))
        np.testing.assert_allclose(np.array(turn) / (2 * step), now.angular_velocity, atol=2e-2)


arrivals = st.lists(
    st.tuples(st.integers(-60, 120), st.integers(0, 40), st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(arrivals)
def test_commands_are_continuous_whenever_chunks_come(chunks: list[tuple[int, int, float, float]]) -> None:
    limits = InterpolatorLimits(watchdog_s=10.0)
    arm = ChunkInterpolator(at(), limits)
    due = {}
    for index, (shift_ms, come_ms, x, slope) in enumerate(chunks):
        come = 1 + index * 130 + come_ms
        due[come] = chunk(
            [x + slope * 0.1 * i for i in range(H)], index, max(come + shift_ms, 0), turn_per_m=5.0
        )
    before, velocity = arm.sample(0), None
    for t in range(1, 1100):
        if t in due and due[t].end_ns > t * MS:
            arm.add_chunk(due[t], t * MS)
        now = arm.sample(t * MS)
        step = now.position - before.position
        # The steepest path here has 0.25 m/s, a blend adds 0.25 and carries on at most as much as that again.
        assert np.linalg.norm(step) < 1.5e-3
        assert angle_between(now.quaternion, before.quaternion) < 8e-3
        assert float(now.quaternion @ before.quaternion) > 0.0
        if velocity is not None:
            assert np.linalg.norm(step / 1e-3 - velocity) < 0.08
        before, velocity = now, step / 1e-3


@given(st.tuples(*[st.floats(-3.0, 3.0)] * 3), st.tuples(*[st.floats(-3.0, 3.0)] * 3))
def test_single_rotations_agree_with_the_arrays(
    r: tuple[float, float, float], v: tuple[float, float, float]
) -> None:
    q = rot.exp(r)
    np.testing.assert_allclose(
        q, quaternion_from_rotvec(r) * np.sign(quaternion_from_rotvec(r) @ np.array(q)), atol=1e-9
    )
    assert float(angle_between(rot.exp(rot.log(q)), q)) < 1e-7
    if np.linalg.norm(r) < 3.0:
        np.testing.assert_allclose(rot.body_velocity(r, rot.rotvec_rate(r, v)), v, atol=1e-8)


def test_a_sample_is_cheap() -> None:
    arm = ChunkInterpolator(at(0.0, 0.08))
    arm.add_chunk(chunk([0.001 * i for i in range(32)], widths=[0.05] * 32), 0)
    fastest = float("inf")
    for repeat in range(5):
        start = time.process_time()
        for i in range(200):
            arm.sample((repeat * 200 + i) * MS)
        fastest = min(fastest, (time.process_time() - start) / 200)
    assert fastest < 1e-4
