"""Lines of RUN/motion: what is kept, what a kill leaves, and which of two about one episode counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.smoothness.motions import along_x, minimum_jerk, times, track, whole
from zprl_core.config import MotionLimitsConfig, SmoothnessConfig, load_task, task_names
from zprl_core.errors import DataError
from zprl_core.smoothness import Smoothness, Spread, alarms
from zprl_core.smoothness.episode import (
    EpisodeTracks,
    MotionRecord,
    append_motion,
    measured_motion,
    read_motions,
    read_run,
)
from zprl_core.smoothness.policy_steps import PolicySteps

NO_LIMITS = SmoothnessConfig()


def record(episode: int = 3, arm: str = "arm", speed: float = 0.2, outcome: str = "success") -> MotionRecord:
    """Some motion."""
    spread = Spread(speed, 2 * speed, 3 * speed)
    known = Smoothness(1.5, 90, spread, spread, spread, spread, spread, spread, sparc=-2.5)
    steps = PolicySteps(45, speed, None)
    return MotionRecord(episode, arm, outcome, steps, known, Smoothness(reason="no sample"), ("rough",), 0.25)


def test_a_line_says_everything() -> None:
    assert MotionRecord.from_line(record().to_line()) == record()


def test_what_a_motion_is_measured_to_be() -> None:
    t = times(2.0, 60.0)
    told = track(t, along_x(minimum_jerk(t, 0.3, 0.5, 1.0)))
    did = track(t + 0.05, along_x(minimum_jerk(t, 0.27, 0.5, 1.0)))
    tracks = EpisodeTracks(0, "arm", "void", whole(told), (), told, did, shadow=True)
    limits = SmoothnessConfig(commanded=MotionLimitsConfig(speed_m_s=0.5, sparc=-1.0))
    found = measured_motion(tracks, limits)
    assert found.commanded.speed is not None and found.measured.speed is not None
    assert found.measured.speed.max == pytest.approx(0.9 * found.commanded.speed.max, rel=1e-3)
    assert (found.outcome, found.shadow, found.policy) == ("void", True, PolicySteps(0, None, None))
    assert found.alarms == (
        "commanded speed 0.551 m/s (95th percentile), limit 0.5 m/s",
        "commanded spectral arc length -1.41, limit -1",
    )


def test_the_last_line_about_an_episode_counts_and_arms_have_files_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "motion"
    for made in (record(1), record(0), record(1, speed=0.7)):
        append_motion(folder / "arm.jsonl", made)
    append_motion(folder / "other.jsonl", record(1, "other"))
    assert read_motions(folder / "arm.jsonl") == (record(0), record(1, speed=0.7))
    assert [(m.arm, m.episode) for m in read_run(folder)] == [("arm", 0), ("arm", 1), ("other", 1)]
    assert read_run(tmp_path / "nowhere") == ()


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 2000))
def test_a_kill_tears_the_last_line_only(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("torn") / "arm.jsonl"
    lines = [record(0).to_line(), record(1).to_line()]
    cut = min(cut, len(lines[1]))
    path.write_bytes(lines[0] + lines[1][:cut])
    whole_lines = 1 + (cut == len(lines[1]))
    assert len(read_motions(path)) == whole_lines
    append_motion(path, record(2))
    assert [m.episode for m in read_motions(path)] == [*[0, 1][:whole_lines], 2]


def test_a_line_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "arm.jsonl"
    path.write_bytes(record().to_line().replace(b'"outcome":"success"', b'"outcome":"failure"'))
    with pytest.raises(DataError, match=r"arm.jsonl: line 1: its checksum is \d+.*; move the file away"):
        read_motions(path)
    path.write_bytes(b"[]\n")
    with pytest.raises(DataError, match="holds list, not an object"):
        read_motions(path)


def test_alarms_are_about_what_is_known_and_beyond() -> None:
    limits = MotionLimitsConfig(speed_m_s=1.0, acceleration_m_s2=1.0, jerk_m_s3=None, sparc=-2.0)
    both = SmoothnessConfig(commanded=limits, measured=limits)
    at_limit = Spread(0.5, 1.0, 9.0)  # its maximum is no matter
    calm = Smoothness(1.0, 60, at_limit, at_limit, Spread(9.0, 9.0, 9.0), sparc=-2.0)
    assert alarms(calm, Smoothness(reason="no sample"), both) == ()
    rough = Smoothness(1.0, 60, Spread(0.5, 1.01, 1.1), at_limit, None, sparc=-2.01)
    assert [(a.motion, a.quantity, a.value, a.limit) for a in alarms(calm, rough, both)] == [
        ("measured", "speed", 1.01, 1.0),
        ("measured", "sparc", -2.01, -2.0),
    ]
    assert alarms(rough, rough, NO_LIMITS) == ()


def test_every_task_of_the_paper_on_robots_has_limits() -> None:
    for name in task_names():
        limits = load_task(name).smoothness
        real = name in ("place_orange", "place_orange_demo", "flip_egg", "open_box", "insert_bills")
        for motion in (limits.commanded, limits.measured):
            assert (motion.acceleration_m_s2 is not None) is real, name
    assert load_task("flip_egg").smoothness.measured.acceleration_m_s2 == 6.0  # paper V-D


def test_numbers_that_json_cannot_say_do_not_occur() -> None:
    t = times(0.1, 100.0)
    short = track(t, along_x(np.sin(t)))
    line = measured_motion(EpisodeTracks(0, "arm", "", whole(short), (), short, short), NO_LIMITS).to_line()
    assert b"NaN" not in line and b"null" in line
