"""Two arms of one rig: one chunk for both in step, one stop for both, and their tools apart."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import numpy as np
import pytest

from tests.hardware import two_arms
from tests.hardware.two_arms import APART_M, LEAST_M, SERVO_HZ, Stage
from zprl_sim.xarm_box.client import BoxTrace

pytest.importorskip("xarm", reason="the vendor's SDK is not installed: pip install xarm-python-sdk")

S = two_arms.S
STILL_M_S = 0.005
CHUNKS, HELD_UP_PERIODS = 4, 3.0
LATE_M = 0.07
"""How much nearer than asked for tools may come that approach at 0.25 m/s: 0.28 s, on a busy machine."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with two_arms.stage(tmp_path_factory.mktemp("two") / "run") as started:
        yield started


def wave(stage: Stage, chunk: int = 0, reach_m: float = 0.05) -> np.ndarray:
    """A smooth way along y, which both arms take alike: (H, 3), the piece of one chunk."""
    h, dt_s = stage.task.action.chunk, stage.task.tick_s
    t_s = (chunk * h + np.arange(1, h + 1)) * dt_s
    y = reach_m * np.sin(2.0 * np.pi * t_s / 1.6) * np.minimum(t_s / 0.8, 1.0)
    return np.stack((0.0 * y, y, 0.4 * np.abs(y)), axis=1)


def both(offsets: np.ndarray) -> dict[str, np.ndarray]:
    return {"left": offsets, "right": offsets}


def play(stage: Stage, chunks: int) -> int:
    """So many chunks, one after the other; when the first one started."""
    seconds = stage.task.action.chunk * stage.task.tick_s
    start_ns = stage.send(both(wave(stage)))
    for chunk in range(1, chunks):
        time.sleep(max(0.0, (start_ns - time.time_ns()) / S + (chunk - 0.5) * seconds))
        stage.send(both(wave(stage, chunk)), chunk=chunk, start_ns=start_ns + round(chunk * seconds * S))
    return start_ns


def outcomes(stage: Stage, arm: str) -> list[tuple[int, int, str]]:
    """(chunk, status, reason) of the present episode."""
    reports = stage.eyes.reports[arm]
    return [(r.chunk, int(r.status), r.reason) for r in list(reports) if r.episode == stage.eyes.episode]


def lag_s(left: BoxTrace, right: BoxTrace, start_ns: int, end_ns: int) -> tuple[float, float]:
    """By how much the right arm's way along y is behind the left's, s, and their correlation then."""
    t_ns = np.arange(start_ns, end_ns, S // 1000)
    a, b = (np.interp(t_ns - start_ns, x.stamp_ns - start_ns, x.position_m[:, 1]) for x in (left, right))
    shifts = range(-100, 101)
    fits = [float(np.corrcoef(a[100:-100], np.roll(b, -shift)[100:-100])[0, 1]) for shift in shifts]
    best = int(np.argmax(fits))
    return shifts[best] / 1000.0, fits[best]


def speed(stage: Stage, arm: str, seconds: float) -> float:
    """Fastest that a tool went in the last seconds."""
    return float(stage.boxes[arm].trace(time.time_ns() - round(seconds * S)).speed_m_s.max(initial=0.0))


def stops_both(stage: Stage) -> None:
    """Both say that they are stopped, and stand still."""
    stage.wait(lambda: all(stage.eyes.fault(arm) for arm in ("left", "right")), 5.0, "both to be stopped")
    time.sleep(1.0)
    assert max(speed(stage, arm, 0.3) for arm in ("left", "right")) < STILL_M_S
    assert {stage.eyes.owner(arm) for arm in ("left", "right")} == {"stop"}


def in_motion(stage: Stage) -> None:
    """An episode whose first chunk both arms are executing."""
    stage.run_episode()
    play(stage, 2)
    stage.wait(lambda: all(speed(stage, arm, 0.2) > 0.05 for arm in ("left", "right")), 5.0, "motion")


def undisturbed(trace: BoxTrace, start_ns: int, end_ns: int) -> bool:
    """Whether setpoints came all the time: two cores that do other things too hold some up."""
    came = trace.setpoint_ns
    came = came[(came > start_ns - S // 20) & (came < end_ns)]
    return len(came) > 2 and float(np.diff(came).max()) < HELD_UP_PERIODS * S / SERVO_HZ


def lags(stage: Stage) -> list[tuple[float, float]]:
    """Of an episode's chunks that nothing disturbed, the lag and the correlation."""
    stage.run_episode()
    start_ns, seconds = play(stage, CHUNKS), stage.task.action.chunk * stage.task.tick_s
    for arm in ("left", "right"):
        stage.wait(lambda arm=arm: len(outcomes(stage, arm)) >= CHUNKS, 20.0, "the chunks")
        assert outcomes(stage, arm)[:CHUNKS] == [(chunk, 0, "") for chunk in range(CHUNKS)]
    left, right = (stage.boxes[arm].trace(start_ns - S) for arm in ("left", "right"))
    times = [round(start_ns + chunk * seconds * S) for chunk in range(CHUNKS + 1)]
    spans = [
        span for span in itertools.pairwise(times) if undisturbed(left, *span) and undisturbed(right, *span)
    ]
    stage.eyes.command("abort")
    return [lag_s(left, right, *span) for span in spans]


def test_one_chunk_is_executed_by_both_in_step(stage: Stage) -> None:
    found: list[tuple[float, float]] = []
    for _ in range(6):
        found += lags(stage)
        if len(found) >= CHUNKS:
            break
    print(f"right behind left by {[round(lag * 1e3) for lag, _ in found]} ms")
    assert found, "this machine was too busy in every chunk"
    assert all(abs(lag) < 1.0 / SERVO_HZ and fit > 0.98 for lag, fit in found), found


def test_stopping_one_arm_stops_both(stage: Stage) -> None:
    in_motion(stage)
    stage.eyes.stop_arm("left")
    stops_both(stage)
    assert all("/arms/left/stop" in stage.eyes.fault(arm) for arm in ("left", "right"))


def test_an_error_of_one_arm_stops_both(stage: Stage) -> None:
    in_motion(stage)
    stage.boxes["right"].inject(error=31)
    stops_both(stage)
    assert "C31" in stage.eyes.fault("right")
    assert "stopped by arm 'right'" in stage.eyes.fault("left")
    stage.boxes["right"].inject(error=0)


def test_a_chunk_that_brings_the_tools_together_is_refused(stage: Stage) -> None:
    stage.run_episode()
    nearer = np.zeros((stage.task.action.chunk, 3))
    nearer[:, 1] = np.linspace(0.0, LEAST_M - APART_M - 0.03, len(nearer))
    start_ns = stage.send({"left": nearer, "right": 0.0 * nearer})
    stage.wait(lambda: any(status == 1 for _, status, _ in outcomes(stage, "left")), 5.0, "a refusal")
    (reason,) = [reason for _, status, reason in outcomes(stage, "left") if status == 1]
    assert "from that of right" in reason and "tool_distance_m" in reason
    time.sleep(max(0.0, (start_ns - time.time_ns()) / S + 1.0))
    assert stage.boxes["left"].trace(start_ns).speed_m_s.max() < STILL_M_S


def test_arms_that_approach_each_other_stop_and_come_home(stage: Stage) -> None:
    """Each chunk is fine beside where the other arm is now; together they are too near."""
    stage.run_episode()
    nearer = np.zeros((stage.task.action.chunk, 3))
    nearer[:, 1] = np.linspace(0.0, 0.99 * (APART_M - LEAST_M), len(nearer))
    start_ns = stage.send({"left": -nearer, "right": nearer})
    stops_both(stage)
    faults = [stage.eyes.fault(arm) for arm in ("left", "right")]
    assert all("tool_distance_m" in fault for fault in faults), faults
    left, right = (stage.boxes[arm].trace(start_ns).position_m[:, 1] for arm in ("left", "right"))
    assert APART_M + left.min() - right.max() > LEAST_M - LATE_M
    stage.run_episode()  # cleared, they go home from where they are too near
    assert not any(stage.eyes.fault(arm) for arm in ("left", "right"))
