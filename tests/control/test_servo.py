"""The limiter: what it sends keeps every limit, whatever is wanted, and is what is wanted where that does."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.control.streams import assert_within, differences, moves
from zprl_core.actions import ArmWaypoints
from zprl_core.errors import SafetyError
from zprl_core.safety import KeepOut, SafetyLimits, ServoLimiter
from zprl_core.safety.servo import Reasons
from zprl_core.trajectory import Chunk, ChunkInterpolator, InterpolatorLimits, Setpoint
from zprl_core.transforms import quaternion_from_rotvec, rotvec_from_quaternion

H = 0.01
POST = KeepOut("post", (0.1, -0.1, 0.0), (0.2, 0.1, 0.3))
SLOW = SafetyLimits(
    (-0.4, -0.4, 0.0),
    (0.4, 0.4, 0.5),
    linear_m_s=0.5,
    linear_m_s2=2.0,
    linear_m_s3=20.0,
    angular_rad_s=2.0,
    angular_rad_s2=8.0,
    angular_rad_s3=80.0,
)
QUICK = replace(
    SLOW,
    linear_m_s=1.0,
    linear_m_s2=20.0,
    linear_m_s3=3000.0,
    angular_rad_s=6.0,
    angular_rad_s2=120.0,
    angular_rad_s3=12000.0,
    keep_out=(POST,),
)
NO_JERK = replace(SLOW, linear_m_s3=None, angular_rad_s3=None, keep_out=(POST,))
SPEED_ONLY = replace(NO_JERK, linear_m_s2=None, angular_rad_s2=None)
HOME = Setpoint(np.array([0.0, 0.0, 0.2]), np.array([1.0, 0.0, 0.0, 0.0]), 0.05)
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


def at(x: float, y: float = 0.0, z: float = 0.2, turn: float = 0.0, width: float | None = 0.05) -> Setpoint:
    return Setpoint(np.array([x, y, z]), quaternion_from_rotvec([0.0, 0.0, turn]), width)


def send(
    limiter: ServoLimiter, wanted: list[Setpoint], step_s: float = H
) -> tuple[list[Setpoint], list[Reasons]]:
    pairs = [limiter.limit(w, step_s) for w in wanted]
    return [sent for sent, _ in pairs], [clamped for _, clamped in pairs]


def smooth(t: float, seconds: float) -> float:
    """Quintic from 0 to 1: peaks of 1.875, 5.77 and 60 over seconds, seconds^2, seconds^3."""
    u = min(max(t / seconds, 0.0), 1.0)
    return u**3 * (10.0 - 15.0 * u + 6.0 * u * u)


@pytest.mark.parametrize("limits", [SLOW, QUICK, NO_JERK, SPEED_ONLY])
def test_what_keeps_the_limits_passes_bit_for_bit(limits: SafetyLimits) -> None:
    """0.1 m and 0.4 rad in 2 s: at most 0.1 m/s, 0.2 m/s^2, 0.8 m/s^3 and 0.4, 0.6, 3 for the rotation; the
    steps vary and the wanted quaternions have either sign.
    """
    limiter, t = ServoLimiter(limits, HOME), 0.0
    for i in range(150):
        step_s = H * (1.0, 2.0, 0.7, 1.3)[i % 4]
        t += step_s
        s = smooth(t, 2.0)
        quaternion = quaternion_from_rotvec([0.2 * s, 0.0, -0.35 * s]) * (1.0 if i % 3 else -1.0)
        wanted = Setpoint(np.array([-0.06 * s, 0.08 * s, 0.2]), quaternion, 0.05)
        sent, clamped = limiter.limit(wanted, step_s)
        assert not clamped
        assert sent.position is wanted.position and sent.quaternion is wanted.quaternion


def test_the_first_step_from_rest_by_hand() -> None:
    """From rest a step of 10 ms may bring 20 m/s^3 * 0.01 s = 0.2 m/s^2, so 2 mm/s, so 20 um."""
    for share, same in ((0.999, True), (1.01, False)):
        limiter = ServoLimiter(SLOW, HOME)
        sent, clamped = limiter.limit(at(share * 20e-6), H)
        assert clamped == (() if same else ("jerk",))
        assert sent.position[0] <= 20e-6 * (1.0 + 1e-5)


def test_a_far_step_is_reached_and_kept() -> None:
    """Back on the wanted setpoint, exactly, and never off again: no limit cycle."""
    for limits in (SLOW, QUICK, NO_JERK):
        limiter = ServoLimiter(limits, HOME)
        goal = at(-0.2, 0.15, 0.4, 1.5)
        sent, clamped = send(limiter, [goal] * 300)
        first = clamped.index(())
        assert not any(clamped[first:]) and sent[-1].position is goal.position
        least_s = 0.25 * math.sqrt(2.0) / limits.linear_m_s
        assert first * H < 3.0 * least_s
        overshoot = max(s.position[2] for s in sent) - 0.4
        assert overshoot < 0.005
        assert_within(limits, [HOME, *sent], [H] * 300)


def test_it_comes_back_to_a_moving_target() -> None:
    """A path that jumps by 50 mm and goes on, turning: caught up with, then followed exactly."""

    def wanted(i: int) -> Setpoint:
        t = i * H
        x = 0.1 * math.cos(1.2 * t) - 0.1 - (0.05 if t > 0.5 else 0.0)
        return at(x, 0.1 * math.sin(1.2 * t) * smooth(t, 0.5), turn=0.5 * t * smooth(t, 0.5))

    limiter = ServoLimiter(QUICK, HOME)
    _, clamped = send(limiter, [wanted(i) for i in range(1, 200)])
    assert any(clamped[49:52]) and not any(clamped[120:])


def test_a_wall_is_approached_and_not_touched_from_behind() -> None:
    limiter = ServoLimiter(SLOW, HOME)
    sent, clamped = send(limiter, [at(-0.7)] * 300)
    assert all(clamped) and ("workspace",) in clamped
    assert sent[-1].position[0] == pytest.approx(-0.4, abs=1e-9)
    assert min(s.position[0] for s in sent) >= -0.4
    assert_within(SLOW, [HOME, *sent], [H] * 300)


def test_from_outside_the_workspace_it_comes_back() -> None:
    limiter = ServoLimiter(SLOW, at(-0.45))
    sent, _ = send(limiter, [at(-0.3)] * 200)
    assert sent[-1].position[0] == pytest.approx(-0.3)
    assert min(s.position[0] for s in sent) >= -0.45


def test_a_keep_out_box_is_not_entered() -> None:
    for limits in (QUICK, NO_JERK, SPEED_ONLY):
        for goal in (at(0.15), at(0.3)):  # in it, and behind it
            limiter = ServoLimiter(limits, HOME)
            sent, clamped = send(limiter, [goal] * 200)
            assert 0.09 < max(s.position[0] for s in sent) <= 0.1
            assert ("keep-out",) in clamped


def test_a_pause_starts_again_from_rest() -> None:
    limiter = ServoLimiter(SLOW, HOME)
    send(limiter, [at(-0.3)] * 60)
    before = limiter.last.position
    sent, _ = limiter.limit(at(-0.3), 3.0)
    assert np.linalg.norm(sent.position - before) <= 20.0 * 0.05**3 * (1.0 + 1e-5)


def test_a_missed_period_is_made_up_for() -> None:
    """Twice the step at twice the period is the same path."""
    limiter, t = ServoLimiter(QUICK, HOME), 0.0
    for step_s in [H] * 20 + [2 * H] + [H] * 20:
        t += step_s
        assert not limiter.limit(at(-0.2 * smooth(t, 0.8)), step_s)[1]


def test_no_time_moves_nothing() -> None:
    limiter = ServoLimiter(SLOW, HOME)
    assert limiter.limit(HOME, 0.0) == (limiter.last, ())
    assert limiter.limit(at(0.1), -1.0) == (limiter.last, ("velocity",))
    assert limiter.last.position is not at(0.1).position


def test_every_reason_is_named_once() -> None:
    limiter = ServoLimiter(replace(SLOW, linear_m_s2=None, linear_m_s3=None), HOME)
    assert limiter.limit(at(0.1, width=0.2), H)[1] == ("velocity", "gripper")
    assert limiter.limit(limiter.last, H)[1] == ()


def stopping_time(limits: SafetyLimits) -> float:
    """v / a to slow down, and a / j for the ramp (twice where it starts the wrong way) and the release."""
    linear = limits.linear_m_s / limits.linear_m_s2 + 3.0 * limits.linear_m_s2 / limits.linear_m_s3
    turning = limits.angular_rad_s / limits.angular_rad_s2
    return max(linear, turning + 3.0 * limits.angular_rad_s2 / limits.angular_rad_s3)


def test_a_brake_by_hand() -> None:
    """From 0.3 m/s at 2 m/s^2 and 20 m/s^3: 0.3 / 2 + 2 / 20 = 0.25 s, and 0.3 * 0.25 / 2 = 37.5 mm."""
    limiter, x = ServoLimiter(SLOW, HOME), 0.0
    for i in range(110):
        x -= 0.3 * smooth(i * H, 1.0) * H
        assert not limiter.limit(at(x), H)[1]
    sent, start = [limiter.last], limiter.last.position[0]
    for _ in range(100):
        braked = limiter.brake(H)
        sent.append(braked.setpoint)
        if braked.at_rest:
            break
    assert len(sent) - 1 == pytest.approx(25, abs=2)
    assert start - sent[-1].position[0] == pytest.approx(0.0375, abs=0.002)
    assert limiter.brake(H).setpoint.position[0] == sent[-1].position[0]
    assert sent[-1].gripper_width == 0.05


wild = st.one_of(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6), st.floats(allow_nan=True, allow_infinity=True))
targets = st.tuples(wild, wild, wild, *[st.floats(-3.0, 3.0)] * 3, st.floats(-0.1, 0.2))
legs = st.tuples(targets, st.integers(1, 25), st.sampled_from(["jump", "line"]))
periods = st.sampled_from([H, H, H, 2 * H, 0.4 * H, 1.7 * H, 4.9 * H, 1e-3])


def along(start: np.ndarray, leg: tuple[tuple[float, ...], int, str]) -> list[np.ndarray]:
    goal, count, kind = np.array(leg[0]), leg[1], leg[2]
    if kind == "jump":
        return [goal] * count
    with np.errstate(over="ignore", invalid="ignore"):
        return [start + (goal - start) * ((i + 1) / count) for i in range(count)]


@pytest.mark.parametrize("limits", [SLOW, QUICK, NO_JERK, SPEED_ONLY])
@settings(max_examples=25, deadline=None, phases=NO_SHRINKING, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(legs, min_size=1, max_size=6), st.lists(periods, min_size=8, max_size=8))
def test_whatever_is_wanted_what_is_sent_keeps_the_limits(
    limits: SafetyLimits, plan: list[tuple[tuple[float, ...], int, str]], steps: list[float]
) -> None:
    limiter, sent, place = ServoLimiter(limits, HOME), [HOME], np.zeros(7)
    seconds: list[float] = []
    for leg in plan:
        for numbers in along(place, leg):
            place = numbers
            finite = bool(np.isfinite(numbers).all())
            quaternion = quaternion_from_rotvec(numbers[3:6]) if finite else HOME.quaternion
            wanted = Setpoint(numbers[:3], quaternion, float(numbers[6]))
            step_s = steps[len(seconds) % len(steps)]
            if not finite:
                with pytest.raises(SafetyError, match="must be finite"):
                    limiter.limit(wanted, step_s)
                continue
            setpoint, clamped = limiter.limit(wanted, step_s)
            same = setpoint.position is wanted.position and setpoint.quaternion is wanted.quaternion
            assert bool(clamped) is not (same and setpoint.gripper_width == wanted.gripper_width)
            sent.append(setpoint)
            seconds.append(step_s)
        place = np.where(np.isfinite(place), place, 0.0)
    for _ in range(600):  # and from there it can always stop
        braked = limiter.brake(steps[len(seconds) % len(steps)])
        sent.append(braked.setpoint)
        seconds.append(steps[len(seconds) % len(steps)])
        if braked.at_rest:
            break
    assert braked.at_rest
    assert_within(limits, sent, seconds)


@settings(max_examples=40, deadline=None, phases=NO_SHRINKING, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(legs, min_size=1, max_size=5), st.sampled_from([SLOW, QUICK]))
def test_a_brake_rests_in_time(plan: list[tuple[tuple[float, ...], int, str]], limits: SafetyLimits) -> None:
    limiter, place = ServoLimiter(limits, HOME), np.zeros(7)
    for leg in plan:
        goal = np.where(np.isfinite(leg[0]), leg[0], 0.0)
        for numbers in along(place, (tuple(goal), leg[1], leg[2])):
            if np.isfinite(numbers).all():  # a line between two of the largest numbers is not
                limiter.limit(Setpoint(numbers[:3], quaternion_from_rotvec(numbers[3:6])), H)
                place = numbers
    for _ in range(math.ceil(stopping_time(limits) / H) + 1):
        braked = limiter.brake(H)
    assert braked.at_rest
    np.testing.assert_array_equal(limiter.brake(H).setpoint.position, braked.setpoint.position)


chunks = st.lists(
    st.tuples(
        st.integers(-5, 15),  # how late it comes, periods
        st.booleans(),  # lost
        st.lists(st.tuples(*[st.floats(-0.1, 0.1)] * 5), min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=30, deadline=None, phases=NO_SHRINKING, suppress_health_check=[HealthCheck.too_slow])
@given(chunks, st.lists(st.sampled_from([1, 1, 1, 2, 3]), min_size=6, max_size=6))
def test_chunks_late_lost_or_wild_keep_the_limits(
    plan: list[tuple[int, bool, list[tuple[float, ...]]]], skips: list[int]
) -> None:
    """Through the interpolator, with missed servo periods and the limiter's corrections, as a bridge does."""
    tick, period = 40_000_000, 10_000_000
    path = ChunkInterpolator(HOME, InterpolatorLimits(brake_m_s2=2.0, brake_rad_s2=8.0))
    limiter, sent, stamp = ServoLimiter(SLOW, HOME), [HOME], 0
    seconds: list[float] = []
    due: list[tuple[int, Chunk]] = []
    for index, (late, lost, rows) in enumerate(plan):
        numbers = np.array(rows)
        turned = quaternion_from_rotvec(np.pad(numbers[:, 3:], ((0, 0), (0, 1))))
        waypoints = ArmWaypoints(HOME.position + numbers[:, :3], turned, None)
        if not lost:
            due.append((max(stamp + late * period, 0), Chunk(0, index, stamp, 0.04, waypoints)))
        stamp += len(rows) * tick
    t = 0
    while t < stamp + 60 * period:
        skip = skips[len(seconds) % len(skips)]
        for come, chunk in sorted((d for d in due if t <= d[0] < t + skip * period), key=lambda d: d[0]):
            now = max(come, t)
            path.take_outcomes(now)  # the watchdog may have tripped since the last setpoint
            if path.needs_restart:
                path.restart(now, limiter.last)
            if now < chunk.end_ns:
                path.add_chunk(chunk, now)
        t += skip * period
        setpoint, clamped = limiter.limit(path.sample(t), skip * H)
        if clamped:
            path.amend(setpoint, clamped)
        sent.append(setpoint)
        seconds.append(skip * H)
    assert_within(SLOW, sent, seconds)


def test_the_rotation_is_limited_like_the_position() -> None:
    """Half a turn about a skew axis, and one that flips at pi."""
    limiter = ServoLimiter(SLOW, HOME)
    goal = Setpoint(HOME.position, quaternion_from_rotvec([1.8, -1.8, 1.8]), 0.05)
    sent, clamped = send(limiter, [goal] * 300)
    assert not clamped[-1] and sent[-1].quaternion is goal.quaternion
    assert_within(SLOW, [HOME, *sent], [H] * 300)
    speeds = differences(moves([HOME, *sent])[1], np.full(300, H))[0]
    assert 1.8 < speeds.max() <= 2.0 * (1.0 + 1e-6)
    turned = rotvec_from_quaternion(sent[80].quaternion)
    np.testing.assert_allclose(
        turned / np.linalg.norm(turned), np.array([1, -1, 1]) / math.sqrt(3), atol=1e-6
    )
