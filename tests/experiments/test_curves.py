"""What a report says of trials' points, by hand."""

from __future__ import annotations

import pytest

from zprl_core.experiments.cells import CellConfig
from zprl_core.experiments.finetuning_trial import iteration_chunks
from zprl_core.experiments.points import Episodes, Point
from zprl_core.experiments.report import Curve


def point(steps: int, successes: int) -> Point:
    """A measurement of 10 episodes."""
    return Point(
        steps=steps,
        chunks=steps // 4,
        episodes=1,
        updates=1,
        evaluation=Episodes(successes, 10, 5.0, 0.0, None),
        training=None,
        metrics={},
        effect={},
        spent_s={},
    )


def curve(*seeds: list[int]) -> Curve:
    """Successes of each seed at 0, 100, 200 ... steps; all seeds are done."""
    points = {seed: [point(100 * i, n) for i, n in enumerate(found)] for seed, found in enumerate(seeds)}
    trials = dict.fromkeys(points)
    return Curve(CellConfig(task="door", method="zprl"), trials, points, len(seeds))  # type: ignore[arg-type]


def test_steps_to_a_rate_and_from_when_it_stays() -> None:
    found = curve([5, 9, 4, 9, 10], [6, 7, 9, 9, 9])
    assert found.steps_to == 150.0 and found.stays_from == 250.0
    assert curve([5, 9, 4, 9, 8]).steps_to == 100.0 and curve([5, 9, 4, 9, 8]).stays_from is None
    assert curve([9, 9]).stays_from == 0.0
    assert curve([5, 9], [5, 8]).steps_to is None, "not all seeds"


def test_the_end_is_two_points_of_each_seed() -> None:
    assert curve([5, 4, 10], [0, 9, 9]).late == pytest.approx([0.7, 0.9])


@pytest.mark.parametrize(
    ("budget", "chunks"), [(10_000, 1000), (250_000, 5000), (600_000, 12_000), (9**9, 20_000)]
)
def test_iterations_of_ppo(budget: int, chunks: int) -> None:
    assert iteration_chunks(budget) == chunks
