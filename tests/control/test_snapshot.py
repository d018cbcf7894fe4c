"""Arrival tables by hand: (what, stamp in ms, value), in the order in which it came."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.errors import ConfigError, DataError, RigError
from zprl_core.snapshot import SnapshotError, SnapshotPolicy, StreamBuffer, StreamSpec

MS = 1_000_000
TABLE = [
    # name, stamp ms, value
    ("third", 0, 0),
    ("wrist", 5, 0),
    ("joints", 0, 0.0),
    ("joints", 10, 1.0),
    ("joints", 20, 2.0),
    ("third", 33, 1),
    ("joints", 40, 4.0),
    ("wrist", 38, 1),
    ("joints", 30, 3.0),  # late, but it came
    ("joints", 50, 5.0),
    ("third", 66, 2),
    ("joints", 60, 6.0),
    ("wrist", 71, 2),
    ("joints", 70, 7.0),
]


def rig(steps: int = 1, joints_delay_s: float = 0.0, capacity: int = 64) -> SnapshotPolicy:
    return SnapshotPolicy(
        [StreamSpec("third", 0.020, 0.060), StreamSpec("wrist", 0.010, 0.060)],
        StreamSpec("joints", joints_delay_s, 0.060),
        steps=steps,
        tick_s=0.030,
        capacity=capacity,
    )


def image(value: int) -> np.ndarray:
    return np.full((2, 3, 3), value, dtype=np.uint8)


def fill(policy: SnapshotPolicy, table: list[tuple[str, int, float]]) -> SnapshotPolicy:
    for name, stamp_ms, value in table:
        if name == "joints":
            policy.add_proprioception(stamp_ms * MS, [value, -value])
        else:
            policy.add_image(name, stamp_ms * MS, image(int(value)))
    return policy


def test_each_stream_has_its_own_delay() -> None:
    snapshot = fill(rig(), TABLE).snapshot(80 * MS)
    # third: newest with stamp <= 60 is 33; wrist: newest with stamp <= 70 is 38.
    assert snapshot.stamps_ns == {"third": (33 * MS,), "wrist": (38 * MS,), "joints": (33 * MS,)}
    assert snapshot.images["third"][0].max() == 1 and snapshot.images["wrist"][0].max() == 1
    # joints at 33 ms, between 3.0 at 30 and 4.0 at 40.
    np.testing.assert_allclose(snapshot.proprioception, [[3.3, -3.3]], rtol=1e-6)
    assert snapshot.proprioception.dtype == np.float32


def test_a_sample_counts_from_its_delay_on() -> None:
    policy = fill(rig(), TABLE)
    assert policy.snapshot(86 * MS).stamps_ns["third"] == (66 * MS,)
    assert policy.snapshot(86 * MS - 1).stamps_ns["third"] == (33 * MS,)


def test_proprioception_does_not_look_behind_its_own_delay() -> None:
    # At 80 with a delay of 45: joints up to 35, so nothing after 30 may be used for the image at 33.
    snapshot = fill(rig(joints_delay_s=0.045), TABLE).snapshot(80 * MS)
    np.testing.assert_allclose(snapshot.proprioception, [[3.0, -3.0]])


def settled(policy: SnapshotPolicy, t_ms: int) -> list[tuple[str, int]]:
    """Camera and stamp in ms of what a snapshot at t will have of what has come."""
    return [(name, stamp_ns // MS) for name, stamp_ns, _ in policy.settled(t_ms * MS)]


def at_30_hz(steps: int) -> SnapshotPolicy:
    """One camera, delay 20 ms, whose next image is expected 26.4 ms after the last at the soonest."""
    camera, joints = StreamSpec("third", 0.020, 0.060, period_s=0.033), StreamSpec("joints", 0.0, 0.060)
    return SnapshotPolicy([camera], joints, steps=steps, tick_s=0.030)


def test_an_image_is_settled_where_the_next_one_will_be_too_young() -> None:
    policy = fill(at_30_hz(steps=1), [("third", 33, 1)])
    # A snapshot at t looks at stamps up to t - 20 ms; the next one's is 59.4 ms at the soonest.
    assert settled(policy, 52) == [], "it is too young itself"
    assert settled(policy, 53) == settled(policy, 79) == [("third", 33)]
    assert settled(policy, 80) == [], "the next one may have a stamp of 59.4 ms"
    fill(policy, [("third", 66, 2)])
    assert settled(policy, 80) == [("third", 33)], "it has come, and is too young"
    assert settled(policy, 86) == [("third", 66)]


def test_history_is_settled_first_and_does_not_reach_behind_the_episodes_begin() -> None:
    policy = fill(at_30_hz(steps=2), [("third", 0, 0), ("third", 33, 1)])
    assert settled(policy, 108) == [("third", 33)], "the step at 78 has it, the one at 108 a later one"
    fill(policy, [("third", 66, 2)])
    assert settled(policy, 108) == [("third", 33), ("third", 66)]
    policy.begin_episode(100 * MS)
    assert settled(policy, 108) == [("third", 66), ("third", 66)]


def test_of_a_camera_of_unknown_rate_every_image_may_be_the_last() -> None:
    assert settled(fill(rig(), [("third", 0, 0)]), 60) == [("third", 0)]


@given(
    stamps=st.lists(st.integers(0, 300), min_size=1, max_size=12, unique=True),
    t_ms=st.integers(100, 300),
    steps=st.integers(1, 3),
)
def test_what_is_behind_a_younger_image_is_what_the_snapshot_has(
    stamps: list[int], t_ms: int, steps: int
) -> None:
    """Whatever the stamps, in order; all that is settled once everything has come."""
    policy = fill(at_30_hz(steps), [("third", stamp, 0) for stamp in sorted(stamps)] + [("third", 999, 0)])
    policy.add_proprioception(0, [0.0])
    found = {stamp for _, stamp in settled(policy, t_ms)}
    steps_ms = [t_ms - 30 * back for back in range(steps)]
    expected = {max(s for s in stamps if s <= step - 20) for step in steps_ms if min(stamps) <= step - 20}
    assert found == expected


def test_history_is_spaced_by_ticks() -> None:
    policy = fill(rig(steps=3), TABLE)
    snapshot = policy.snapshot(90 * MS)  # steps at 30, 60 and 90
    assert snapshot.stamps_ns["third"] == (0, 33 * MS, 66 * MS)
    assert snapshot.stamps_ns["wrist"] == (5 * MS, 38 * MS, 71 * MS)
    np.testing.assert_allclose(snapshot.proprioception[:, 0], [0.0, 3.3, 6.6], rtol=1e-6)


def test_history_does_not_reach_into_the_episode_before() -> None:
    policy = fill(rig(steps=3), TABLE)
    policy.begin_episode(86 * MS)
    snapshot = policy.snapshot(90 * MS)
    assert snapshot.stamps_ns["third"] == (66 * MS,) * 3
    assert policy.snapshot(86 * MS).stamps_ns["wrist"] == (71 * MS,) * 3


def test_what_is_missing_or_too_old_is_named() -> None:
    with pytest.raises(SnapshotError, match=r"stream third: no sample, allowed 0\.060 s") as missing:
        rig().snapshot(80 * MS)
    assert missing.value.stream == "third" and isinstance(missing.value, RigError)
    policy = fill(rig(), TABLE)
    assert policy.snapshot(126 * MS).stamps_ns["third"] == (66 * MS,)  # 60 ms old: just allowed
    with pytest.raises(SnapshotError, match=r"stream third: newest sample 0\.061 s old") as old:
        policy.snapshot(127 * MS)
    assert old.value.age_s == pytest.approx(0.061) and old.value.limit_s == 0.060
    no_joints = fill(rig(), [row for row in TABLE if row[0] != "joints"])
    with pytest.raises(SnapshotError, match="stream joints: no sample"):
        no_joints.snapshot(80 * MS)


def test_memory_is_bounded_and_repeats_are_dropped() -> None:
    buffer: StreamBuffer[int] = StreamBuffer("camera", capacity=3)
    assert all(buffer.append(stamp, stamp) for stamp in (10, 30, 20, 40))
    assert len(buffer) == 3
    assert not buffer.append(30, 99) and buffer.newest(35) == (30, 30)
    assert not buffer.append(5, 5)
    assert buffer.newest(19) is None and buffer.after(20) == (30, 30) and buffer.after(40) is None
    buffer.clear()
    assert len(buffer) == 0


def test_bad_samples_are_refused() -> None:
    policy = fill(rig(), TABLE)
    with pytest.raises(DataError, match="camera top: not in this task; its cameras are third, wrist"):
        policy.add_image("top", 0, image(0))
    with pytest.raises(DataError, match="expected uint8"):
        policy.add_image("third", 0, np.zeros((2, 3), dtype=np.uint8))
    with pytest.raises(DataError, match="finite"):
        policy.add_proprioception(80 * MS, [0.0, float("nan")])
    with pytest.raises(DataError, match="3 numbers, expected 2"):
        policy.add_proprioception(80 * MS, [0.0, 1.0, 2.0])


def test_bad_settings_are_refused() -> None:
    joints = StreamSpec("joints", 0.0, 0.1)
    with pytest.raises(ConfigError, match="steps: 4"):
        rig(steps=4)
    with pytest.raises(ConfigError, match="one camera or more"):
        SnapshotPolicy([], joints, steps=1, tick_s=0.1)
    with pytest.raises(ConfigError, match="each name once"):
        SnapshotPolicy([StreamSpec("joints", 0.0, 0.1)], joints, steps=1, tick_s=0.1)
    with pytest.raises(ConfigError, match="at least its delay_s"):
        StreamSpec("third", 0.2, 0.1)
    with pytest.raises(ConfigError, match="capacity 1"):
        StreamBuffer("third", 1)


@given(st.permutations(TABLE), st.integers(55, 120))
def test_the_order_of_arrival_does_not_matter(table: list[tuple[str, int, float]], t_ms: int) -> None:
    expected, found = fill(rig(), TABLE).snapshot(t_ms * MS), fill(rig(), table).snapshot(t_ms * MS)
    assert found.stamps_ns == expected.stamps_ns
    np.testing.assert_array_equal(found.proprioception, expected.proprioception)


@given(st.integers(86, 120), st.integers(0, 60))
def test_what_comes_after_t_minus_delay_changes_nothing(t_ms: int, later_ms: int) -> None:
    policy = fill(rig(), TABLE)
    expected = policy.snapshot(t_ms * MS)
    policy.add_image("third", (t_ms - 19 + later_ms) * MS, image(9))
    policy.add_proprioception((t_ms + 1 + later_ms) * MS, [9.0, 9.0])
    found = policy.snapshot(t_ms * MS)
    assert found.stamps_ns == expected.stamps_ns
    np.testing.assert_array_equal(found.proprioception, expected.proprioception)


def test_no_interpolation_across_a_hole() -> None:
    policy = fill(rig(), [("third", 100, 0), ("wrist", 100, 0), ("joints", 10, 1.0), ("joints", 110, 2.0)])
    with pytest.raises(SnapshotError, match=r"stream joints: newest sample 0\.090 s old"):
        policy.snapshot(120 * MS)
