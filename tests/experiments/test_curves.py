"""What a report says of trials' points, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zprl_core.experiments.cells import CellConfig
from zprl_core.experiments.finetuning_trial import equal_part, iteration_chunks
from zprl_core.experiments.motion import Motion
from zprl_core.experiments.points import Episodes, Point
from zprl_core.experiments.reports.curve import Curve
from zprl_core.experiments.reports.motion import rows
from zprl_core.stats import Proportion


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


def curve(*seeds: list[int], cut: tuple[int, ...] = ()) -> Curve:
    """Successes of each seed at 0, 100, 200 ... steps; all seeds are done but those that were cut."""
    points = {seed: [point(100 * i, n) for i, n in enumerate(found)] for seed, found in enumerate(seeds)}
    trials = dict.fromkeys(points)
    return Curve(CellConfig(task="door", method="zprl"), trials, points, frozenset(points) - set(cut))  # type: ignore[arg-type]


def test_steps_to_a_rate_and_from_when_it_stays() -> None:
    found = curve([5, 9, 4, 9, 10], [6, 7, 9, 9, 9])
    assert found.steps_to == 150.0 and found.stays_from == 250.0
    assert curve([5, 9, 4, 9, 8]).steps_to == 100.0 and curve([5, 9, 4, 9, 8]).stays_from is None
    assert curve([9, 9]).stays_from == 0.0
    assert curve([5, 9], [5, 8]).steps_to is None, "not all seeds"


def test_the_end_is_two_points_of_each_seed() -> None:
    assert curve([5, 4, 10], [0, 9, 9]).late == pytest.approx([0.7, 0.9])


def test_a_seed_that_was_cut_says_nothing_of_the_end() -> None:
    found = curve([5, 4, 10], [2, 1], cut=(1,))
    assert found.late == pytest.approx([0.7]) and found.last == Proportion(10, 10)
    assert found.base == Proportion(7, 20), "where it began is known"
    assert found.final is None and found.steps_to is None and not found.complete
    assert curve([5, 9]).late == pytest.approx([0.9]), "the unsteered point is no end"


@pytest.mark.parametrize(
    ("chunks", "most", "part"), [(2000, 1000, 1000), (20_000, 12_000, 10_000), (900, 1000, 900), (10, 3, 3)]
)
def test_iterations_up_to_a_point_are_equally_long(chunks: int, most: int, part: int) -> None:
    assert equal_part(chunks, most) == part


def test_motion_by_steps_is_a_mean_over_seeds_point_by_point() -> None:
    def moving(steps: int, velocity: float) -> Point:
        plain = point(steps, 5)
        return replace(plain, training=replace(plain.evaluation, motion=Motion(velocity, 10 * velocity)))

    seeds = {0: [point(0, 5), moving(100, 1.0), moving(200, 2.0)], 1: [point(0, 5), moving(102, 3.0)]}
    cell = CellConfig(task="door", method="zprl")
    found = Curve(cell, dict.fromkeys(seeds), seeds, frozenset(seeds))  # type: ignore[arg-type]
    assert rows([found], lambda each: each.training) == [
        ["0", "none"],
        ["101", "2.000 | 20.00"],
        ["200", "2.000 | 20.00"],
    ]


@pytest.mark.parametrize(
    ("budget", "chunks"), [(10_000, 1000), (250_000, 5000), (600_000, 12_000), (9**9, 20_000)]
)
def test_iterations_of_ppo(budget: int, chunks: int) -> None:
    assert iteration_chunks(budget) == chunks
