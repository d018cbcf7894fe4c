"""What a bridge keeps of an episode's motion: when it begins, what is left out, how it ends."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from zprl_arms.motion import INTERRUPTED, MotionKeeper
from zprl_arms.motion_worker import MotionWorker
from zprl_core.actions import ArmWaypoints
from zprl_core.config import MotionLimitsConfig, SmoothnessConfig
from zprl_core.smoothness.episode import EpisodeTracks, MotionRecord, read_motions
from zprl_core.trajectory import Chunk, Setpoint
from zprl_core.transforms import Pose

SECOND = 1_000_000_000
STEP = SECOND // 100
UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0])


def chunk(stamp_ns: int, source: str = "policy", speed: float = 0.1, steps: int = 10) -> Chunk:
    """A chunk along x at 10 steps a second."""
    x = speed * 0.1 * np.arange(1, steps + 1)
    way = ArmWaypoints(np.stack([x, 0 * x, 0 * x], axis=1), np.tile(UPRIGHT, (steps, 1)))
    return Chunk(0, 0, stamp_ns, 0.1, way, source)


def move(keeper: MotionKeeper, begin_ns: int, end_ns: int, speed: float = 0.1, by_hand: bool = False) -> None:
    """Samples along x at 100 Hz; the arm is 1 mm behind."""
    for t in range(begin_ns, end_ns + 1, STEP):
        x = speed * t / SECOND
        setpoint = Setpoint(np.array([x, 0.0, 0.0]), UPRIGHT)
        keeper.sample(t, setpoint, t, Pose(np.array([x - 0.001, 0.0, 0.0])), by_hand=by_hand)


def test_an_episode_from_its_first_chunk_to_its_label() -> None:
    keeper = MotionKeeper("left")
    keeper.chunk(chunk(0))  # not while the session is idle
    assert keeper.on_session("running", 4, "", SECOND) is None and not keeper.wanted
    move(keeper, SECOND, 2 * SECOND)  # it waits for its first chunk
    keeper.chunk(chunk(2 * SECOND))
    assert keeper.wanted
    move(keeper, 2 * SECOND - 5 * STEP, 3 * SECOND)
    tracks = keeper.on_session("labelled", 4, "success", 3 * SECOND)
    assert tracks is not None and not keeper.wanted
    assert (tracks.arm, tracks.episode, tracks.outcome) == ("left", 4, "success")
    assert tracks.intervals == ((2 * SECOND, 3 * SECOND),)
    assert len(tracks.commanded) == len(tracks.measured) == 101 and len(tracks.chunks) == 1
    np.testing.assert_allclose(tracks.commanded.position[:, 0] - tracks.measured.position[:, 0], 0.001)
    assert tracks.commanded.stamp_ns[0] == 2 * SECOND
    # An undone label reopens an episode in which nothing moves any more.
    assert keeper.on_session("judging", 4, "", 4 * SECOND) is None
    assert keeper.on_session("labelled", 4, "failure", 5 * SECOND) is None


def test_a_pause_makes_two_intervals_and_the_second_begins_with_a_chunk() -> None:
    keeper = MotionKeeper("left")
    keeper.on_session("running", 0, "", 0)
    keeper.chunk(chunk(0))
    move(keeper, 0, SECOND)
    assert keeper.on_session("paused", 0, "", SECOND) is None
    move(keeper, SECOND + STEP, 2 * SECOND)
    assert keeper.on_session("running", 0, "", 3 * SECOND) is None
    keeper.chunk(chunk(4 * SECOND))
    move(keeper, 3 * SECOND, 5 * SECOND)
    assert keeper.on_session("judging", 0, "", 5 * SECOND) is None
    tracks = keeper.on_session("labelled", 0, "horizon", 9 * SECOND)
    assert tracks is not None and tracks.intervals == ((0, SECOND), (4 * SECOND, 5 * SECOND))
    assert len(tracks.commanded) == 202


@pytest.mark.parametrize("state", ["stopped", "faulted", "labelled"])
def test_a_void_episode_is_kept_and_says_so(state: str) -> None:
    keeper = MotionKeeper("left", shadow=True)
    keeper.on_session("running", 7, "", 0)
    keeper.chunk(chunk(0))
    move(keeper, 0, SECOND)
    tracks = keeper.on_session(state, 7, "void", SECOND)
    assert tracks is not None and tracks.outcome == "void" and tracks.shadow


def test_an_episode_whose_bridge_ends() -> None:
    keeper = MotionKeeper("left")
    assert keeper.interrupt(0) is None
    keeper.on_session("running", 1, "", 0)
    keeper.chunk(chunk(0))
    move(keeper, 0, SECOND)
    tracks = keeper.interrupt(SECOND)
    assert tracks is not None and tracks.outcome == INTERRUPTED and tracks.intervals == ((0, SECOND),)
    assert keeper.interrupt(SECOND) is None


def test_an_episode_in_which_nothing_moved_is_none() -> None:
    keeper = MotionKeeper("left")
    keeper.on_session("running", 1, "", 0)
    assert keeper.on_session("stopped", 1, "void", SECOND) is None


def test_a_person_s_chunks_begin_a_motion_and_are_no_steps_of_the_policy() -> None:
    keeper = MotionKeeper("left")
    keeper.on_session("running", 1, "", 0)
    keeper.chunk(chunk(0, source="human"))
    move(keeper, 0, SECOND - STEP, by_hand=True)
    keeper.chunk(chunk(SECOND))
    move(keeper, SECOND, 4 * SECOND - STEP)
    tracks = keeper.on_session("labelled", 1, "success", 4 * SECOND)
    assert tracks is not None and tracks.human_share == 0.25
    assert [each.source for each in tracks.chunks] == ["policy"]


def test_memory_is_bounded() -> None:
    keeper = MotionKeeper("left", most=50)
    keeper.on_session("running", 1, "", 0)
    keeper.chunk(chunk(0))
    move(keeper, 0, SECOND)
    tracks = keeper.on_session("labelled", 1, "success", SECOND)
    assert tracks is not None and (len(tracks.commanded), tracks.lost) == (50, 51)


class Heard:
    """What a worker tells."""

    def __init__(self) -> None:
        self.records: list[tuple[MotionRecord, int, str]] = []
        self.warnings: list[str] = []

    def publish(self, record: MotionRecord, over_ns: int) -> None:
        self.records.append((record, over_ns, threading.current_thread().name))


def worked(folder: Path | None, limits: SmoothnessConfig, speed: float = 0.1) -> Heard:
    """One episode through a worker."""
    heard, keeper = Heard(), MotionKeeper("left")
    worker = MotionWorker(keeper, folder, limits, heard.publish, heard.warnings.append)
    worker.on_session("running", 2, "", 0)
    keeper.chunk(chunk(0, speed=speed))
    move(keeper, 0, SECOND, speed)
    worker.on_session("labelled", 2, "success", SECOND)
    worker.close(2 * SECOND)
    return heard


def test_a_worker_measures_writes_and_tells_in_its_own_thread(tmp_path: Path) -> None:
    limits = SmoothnessConfig(measured=MotionLimitsConfig(speed_m_s=0.05), commanded=MotionLimitsConfig())
    heard = worked(tmp_path / "motion", limits)
    ((record, over_ns, thread),) = heard.records
    assert (record.episode, over_ns, thread) == (2, SECOND, "motion")
    assert record.policy.velocity_m_s == pytest.approx(0.1)
    assert record.measured.speed == pytest.approx((0.1, 0.1, 0.1))
    expected = "measured speed 0.1 m/s (95th percentile), limit 0.05 m/s"
    assert record.alarms == (expected,)
    assert heard.warnings == [f"arm 'left', episode 2: {expected}"]
    assert read_motions(tmp_path / "motion" / "left.jsonl") == (record,)


def test_a_folder_that_cannot_be_written_is_said_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "motion").write_text("a file")
    heard = worked(tmp_path / "motion", SmoothnessConfig())
    assert len(heard.records) == 1
    (said,) = heard.warnings
    assert "left.jsonl: cannot be written" in said


def test_without_a_folder_nothing_is_written() -> None:
    assert len(worked(None, SmoothnessConfig()).records) == 1


def test_a_sample_costs_next_to_nothing() -> None:
    """A servo period at 1000 Hz is 1 ms; a sample is kept 60 times a second."""
    keeper = MotionKeeper("left")
    keeper.on_session("running", 1, "", 0)
    keeper.chunk(chunk(0))
    setpoint, pose = Setpoint(np.zeros(3), UPRIGHT), Pose(np.zeros(3))
    took = []
    for t in range(2000):
        begun = time.thread_time()
        keeper.sample(t, setpoint, t, pose, by_hand=False)
        took.append(time.thread_time() - begun)
    assert np.median(took) < 2e-5
    tracks: EpisodeTracks | None = keeper.on_session("labelled", 1, "success", 3000)
    assert tracks is not None and len(tracks.commanded) == 2000
