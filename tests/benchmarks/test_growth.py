"""The soak's verdicts: what grows is called so, and what does not is not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks.growth import KIB, MIB, trend


def samples(kib_per_episode: float = 0.0, **last: int) -> list[dict[str, Any]]:
    """Ten minutes, 100 episodes each; the first two allocate 50 MiB once."""
    made = [
        {
            "at_s": 60.0 * minute,
            "episodes": 100 * minute,
            "rss": int(100 * MIB + min(minute, 2) * 25 * MIB + 100 * minute * kib_per_episode * KIB),
            "handles": 14,
            "threads": 17,
            "pid": 7,
        }
        for minute in range(11)
    ]
    made[-1].update(last)
    return made


def test_the_warm_up_does_not_count() -> None:
    found = trend("auto_judge", samples())
    assert found.grows == []
    assert found.per_episode == pytest.approx(0.0, abs=1e-6)


def test_slopes_by_hand() -> None:
    found = trend("auto_judge", samples(kib_per_episode=2.0))
    assert found.per_episode == pytest.approx(2 * KIB, rel=1e-6)
    assert found.per_hour == pytest.approx(60 * 100 * 2 * KIB, rel=1e-6)
    assert found.grows == ["memory"]


def test_what_a_process_keeps_on_purpose_is_no_leak_and_more_is_one() -> None:
    assert trend("session_node", samples(kib_per_episode=3.0)).grows == []
    assert trend("session_node", samples(kib_per_episode=5.0)).grows == ["memory"]


@pytest.mark.parametrize(
    ("last", "grows"),
    [
        ({"handles": 16}, []),
        ({"handles": 17}, ["open files"]),
        ({"threads": 20}, ["threads"]),
        ({"pid": 8}, ["starts"]),
    ],
)
def test_files_threads_and_restarts(last: dict[str, int], grows: list[str]) -> None:
    assert trend("auto_judge", samples(**last)).grows == grows


def test_too_few_samples_are_no_verdict() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        trend("auto_judge", samples()[:3])
