"""A trial end to end on a point: it goes on where it stopped, and how copies are run changes nothing."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.experiments.point import Points, small_task
from zprl_core.arithmetic import use_threads
from zprl_core.base import BaseModel, new_model
from zprl_core.config import CameraView
from zprl_core.errors import CheckpointError, DataError
from zprl_core.experiments.cells import CellConfig
from zprl_core.experiments.environments.protocol import Observation
from zprl_core.experiments.finetuning_trial import FinetuningTrial
from zprl_core.experiments.latents import Latents, read_latents
from zprl_core.experiments.points import Point, read_points
from zprl_core.experiments.policy import Place, encode
from zprl_core.experiments.steering_trial import SteeringTrial
from zprl_core.experiments.stopwatch import PARTS, Stopwatch
from zprl_core.experiments.trial import EVALUATION, STATE, LearningTrial

CELLS = {
    "zprl": CellConfig(task="push_wall_state", method="zprl", scale=0.5),
    "residual": CellConfig(task="push_wall_state", method="action_residual", scale=0.2, progressive_steps=40),
    "noise": CellConfig(task="push_wall_state", method="noise_steering", scale=1.5),
    "aliasing": CellConfig(task="push_wall_state", method="noise_aliasing", scale=1.5),
    "embedding": CellConfig(task="push_wall_state", method="embedding_steering", scale=0.2),
    "reinflow": CellConfig(task="push_wall_state", method="reinflow"),
    "dppo": CellConfig(task="push_wall_state", method="dppo"),
}


@pytest.fixture(scope="module")
def model() -> BaseModel:
    use_threads(1)
    torch.manual_seed(0)
    made = new_model(small_task(), 0)
    made.policy.fit_normalizers(torch.rand(50, 4) * 2 - 1, torch.randn(50, 3))
    return made.eval().requires_grad_(False)


def trial(cell: CellConfig, model: BaseModel, folder: Path, copies: int = 3, seed: int = 0) -> LearningTrial:
    kind = FinetuningTrial if cell.method in ("dppo", "reinflow") else SteeringTrial
    return kind(small_task(), cell, model, Points(copies), seed, folder)


def measured(points: list[Point]) -> list[Point]:
    """Without the times."""
    return [dataclasses.replace(point, spent_s={}) for point in points]


@pytest.mark.parametrize("name", CELLS)
def test_it_goes_on_where_it_stopped(name: str, model: BaseModel, tmp_path: Path) -> None:
    whole = list(trial(CELLS[name], model, tmp_path / "whole").run())
    assert [point.chunks for point in whole] == [0, 21, 42, 60]
    assert whole[0].training is None and whole[-1].training and whole[-1].training.trials > 0
    assert whole[-1].updates > 0
    first = trial(CELLS[name], model, tmp_path / "cut").run()
    next(first)
    next(first)
    del first
    rest = list(trial(CELLS[name], model, tmp_path / "cut").run())
    assert measured(rest) == measured(whole[2:])
    assert measured(read_points(tmp_path / "cut")) == measured(whole)


def test_zprl_keeps_latents_of_every_point(model: BaseModel, tmp_path: Path) -> None:
    points = list(trial(CELLS["zprl"], model, tmp_path).run())
    found = [read_latents(tmp_path, number) for number in range(len(points))]
    assert read_latents(tmp_path, len(points)) is None
    for latents in found:
        assert latents is not None and latents.z.shape == latents.z_tilde.shape
        assert len(latents.z) == len({*zip(latents.episode, latents.chunk, strict=True)}) > 5
        assert latents.episode.min() >= EVALUATION, "of the evaluation"
    same = [each is not None and np.array_equal(each.z, each.z_tilde) for each in found]
    assert same == [True, *[False] * (len(points) - 1)], "nothing is steered before training"
    (tmp_path / "latents" / "0001.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"latents/0001\.npz: .*remove it"):
        read_latents(tmp_path, 1)


def test_latents_are_thinned_evenly() -> None:
    c = np.zeros(2, np.float32)
    places = [Place(7, number, c, np.full(3, number, np.float32)) for number in range(1999)]
    kept = Latents.spread(places, np.stack([place.base + 0.5 for place in places]))
    assert len(kept.z) == 500 and (kept.chunk[0], kept.chunk[-1]) == (0, 1998)
    assert set(np.diff(kept.chunk)) <= {4, 5} and np.all(kept.z_tilde - kept.z == 0.5)
    assert np.array_equal(kept.z[:, 0], kept.chunk) and set(kept.episode) == {7}


def test_it_learns_from_pictures_too(tmp_path: Path) -> None:
    view = CameraView(name="eye", height=72, width=72, crop_height=64, crop_width=64)
    plain = small_task(policy__image_embedding=8, policy__resnet_width=8, policy__unet_widths=[16, 16])
    task = dataclasses.replace(plain, observation=dataclasses.replace(plain.observation, cameras=(view,)))
    torch.manual_seed(0)
    model = new_model(task, 0)
    model.policy.fit_normalizers(torch.rand(50, 4) * 2 - 1, torch.randn(50, 3))
    model = model.eval().requires_grad_(False)
    run = SteeringTrial(task, CELLS["zprl"], model, Points(2, (view,)), 0, tmp_path)  # type: ignore[arg-type]
    seen = run.policy.look(run.training().slots.values())
    assert all(place.c.shape == (8 + 3,) for place in seen.values())
    slot = run.training().slots[0]
    dark = Observation({"eye": np.zeros((72, 72, 3), np.uint8)}, slot.observation.proprio)
    light, dark_c = encode(model, [slot.observation]), encode(model, [dark])
    assert torch.equal(light[:, 8:], dark_c[:, 8:]) and not torch.allclose(light, dark_c), "pictures count"
    assert [point.chunks for point in run.run()][-1] == task.budget.chunks


def test_another_seed_has_other_layouts_and_another_end(model: BaseModel, tmp_path: Path) -> None:
    ends = [list(trial(CELLS["zprl"], model, tmp_path / str(seed), seed=seed).run())[-1] for seed in (0, 1)]
    assert ends[0].metrics != ends[1].metrics


def test_damaged_state_is_refused_by_name(model: BaseModel, tmp_path: Path) -> None:
    next(trial(CELLS["zprl"], model, tmp_path).run())
    whole = (tmp_path / STATE).read_bytes()
    (tmp_path / STATE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"state\.ckpt"):
        next(trial(CELLS["zprl"], model, tmp_path).run())
    (tmp_path / "points.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"points\.jsonl: line 1 is no point"):
        read_points(tmp_path)


@pytest.mark.parametrize(("key", "value"), [("chunks", "10000"), ("trials", 5)])
def test_a_point_with_impossible_numbers_is_none(
    model: BaseModel, tmp_path: Path, key: str, value: object
) -> None:
    """Of 50 successes, and a count that is text."""
    (point,) = itertools.islice(trial(CELLS["zprl"], model, tmp_path).run(), 1)
    evaluation = dataclasses.replace(point.evaluation, successes=50, trials=50)
    data = dataclasses.asdict(dataclasses.replace(point, evaluation=evaluation))
    (data if key in data else data["evaluation"])[key] = value
    (tmp_path / "points.jsonl").write_text(json.dumps(data) + "\n")
    with pytest.raises(DataError, match=r"points\.jsonl: line 1 is no point"):
        read_points(tmp_path)


def test_the_time_that_observations_take_is_told_apart(model: BaseModel, tmp_path: Path) -> None:
    *_, last = trial(CELLS["zprl"], model, tmp_path).run()
    assert set(last.spent_s) == set(PARTS)
    assert all(seconds > 0.0 for seconds in last.spent_s.values()), last.spent_s
    watch = Stopwatch({"environment": 3.0})
    watch.move("environment", "observation", 1.0)
    assert (watch.spent_s["environment"], watch.spent_s["observation"]) == (2.0, 1.0)
