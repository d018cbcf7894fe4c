# SPDX-License-Identifier: Apache-2.0
"""A dataset of format 3: what is written is what is read, and one that fails leaves nothing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.learning.tiny import change, write_dataset
from zprl_core.actions import ActionCodec
from zprl_core.config import TaskConfig
from zprl_core.data.dataset import load_dataset
from zprl_core.data.episode import Episode, EpisodeInfo, Header
from zprl_core.data.reading import open_dataset
from zprl_core.data.writing import DatasetWriter
from zprl_core.errors import DataError
from zprl_core.provenance import Provenance


def header(task: TaskConfig) -> Header:
    return Header(
        task=task.name,
        rate_hz=task.rate_hz,
        lead_steps=task.observation.lead_steps,
        cameras={"third_view": (20, 24)},
        proprio_dim=3,
        action_dim=7,
        action=ActionCodec.from_config(task.action),
        provenance=Provenance(rig="cell"),
        facts={"seed": 5},
    )


def made(length: int, seed: int = 0, **about: object) -> Episode:
    rng = np.random.default_rng(seed)
    return Episode(
        images={"third_view": rng.integers(0, 256, (length, 20, 24, 3), dtype=np.uint8)},
        proprio=rng.standard_normal((length, 3), dtype=np.float32),
        action=rng.standard_normal((length, 7), dtype=np.float32),
        stamp_ns=np.arange(length, dtype=np.int64) * 33_333_333,
        info=EpisodeInfo(length=length, source=f"bag {seed}", **about),
    )


def write(folder: Path, task: TaskConfig, *episodes: Episode) -> None:
    with DatasetWriter(folder, header(task)) as writer:
        for episode in episodes:
            writer.add(episode)


def test_what_is_written_is_read(task: TaskConfig, tmp_path: Path) -> None:
    wrote = [
        made(9, 1, outcome="success", gaps_s={"/proprioception": 0.25}, repairs=("held",)),
        made(6, 2, helped_chunks=2),
    ]
    write(tmp_path / "data", task, *wrote)
    stored = open_dataset(tmp_path / "data")
    assert stored.header == header(task)
    for episode, read in zip(wrote, stored, strict=True):
        assert read.info == episode.info
        for name, array in episode.arrays().items():
            np.testing.assert_array_equal(read.arrays()[name], array)
    said = json.loads((tmp_path / "data" / "dataset.json").read_text())
    assert (said["format"], said["ticks"], said["episodes"][0]["success"]) == (3, 15, True)
    actions = np.concatenate([each.action for each in wrote])
    np.testing.assert_allclose(said["statistics"]["action"]["std"], actions.std(axis=0), rtol=1e-5)
    np.testing.assert_allclose(said["statistics"]["action"]["max"], actions.max(axis=0))


def test_training_gets_the_same_as_from_an_older_format(task: TaskConfig, tmp_path: Path) -> None:
    write_dataset(tmp_path / "old", [9, 6])
    old = load_dataset(tmp_path / "old", task)
    write(tmp_path / "new", task, *open_dataset(tmp_path / "old"))
    new = load_dataset(tmp_path / "new", task)
    for name in ("proprio", "actions", "episode_of", "history", "chunk"):
        np.testing.assert_array_equal(getattr(new, name), getattr(old, name))
        assert getattr(new, name).dtype == getattr(old, name).dtype
    np.testing.assert_array_equal(new.images["third_view"], old.images["third_view"])
    assert (new.episodes, len(new)) == (old.episodes, len(old))


def test_images_stay_on_the_disk(task: TaskConfig, tmp_path: Path) -> None:
    write(tmp_path / "data", task, made(9))
    frames = load_dataset(tmp_path / "data", task).images["third_view"]
    assert not frames.flags.owndata and not frames.flags.writeable
    with (tmp_path / "data" / "image_third_view.npy").open("r+b") as file:
        file.seek(-1, 2)
        file.write(bytes([255 - int(frames[-1, -1, -1, -1])]))
    assert frames[-1, -1, -1, -1] != made(9).images["third_view"][-1, -1, -1, -1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_any_lengths(tmp_path_factory: pytest.TempPathFactory, lengths: list[int]) -> None:
    folder = tmp_path_factory.mktemp("lengths") / "data"
    shape = Header(task="t", rate_hz=10, lead_steps=0, cameras={}, proprio_dim=3, action_dim=7)
    wrote = [dataclasses.replace(made(length, n), images={}) for n, length in enumerate(lengths)]
    with DatasetWriter(folder, shape) as writer:
        for episode in wrote:
            writer.add(episode)
    for episode, read in zip(wrote, open_dataset(folder), strict=True):
        np.testing.assert_array_equal(read.action, episode.action)
        np.testing.assert_array_equal(read.stamp_ns, episode.stamp_ns)


SPOILT = [
    ({"action": np.full((6, 7), np.nan, np.float32)}, "'action' is not finite at tick 0"),
    ({"proprio": np.zeros((6, 4), np.float32)}, r"'proprio' is float32 \(6, 4\), must be float32 \(6, 3\)"),
    ({"action": np.zeros((6, 7))}, "'action' is float64"),
    ({"images": {}}, "has action, proprio, stamp_ns, must have action, image_third_view"),
    ({"images": {"third_view": np.zeros((5, 20, 24, 3), np.uint8)}}, "'image_third_view' is uint8"),
    ({"stamp_ns": np.array([0, 1, 2, 2, 3, 4])}, "stamp_ns does not increase at tick 3"),
]


@pytest.mark.parametrize(("changes", "message"), SPOILT)
def test_a_bad_episode_leaves_no_half_dataset(
    task: TaskConfig, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=f"episode of bag 2: {message}"):
        write(tmp_path / "data", task, made(9, 1), dataclasses.replace(made(6, 2), **changes))
    assert list(tmp_path.iterdir()) == []


def test_no_episode_is_no_dataset(task: TaskConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no episode was added"):
        write(tmp_path / "data", task)
    assert list(tmp_path.iterdir()) == []


def test_a_replacement_that_fails_leaves_the_old_one(task: TaskConfig, tmp_path: Path) -> None:
    write(tmp_path / "data", task, made(9))
    with pytest.raises(DataError, match="there is data already"):
        write(tmp_path / "data", task, made(4))
    with (
        pytest.raises(KeyboardInterrupt),
        DatasetWriter(tmp_path / "data", header(task), overwrite=True) as writer,
    ):
        writer.add(made(4))
        raise KeyboardInterrupt
    assert open_dataset(tmp_path / "data").lengths == [9]
    with DatasetWriter(tmp_path / "data", header(task), overwrite=True) as writer:
        writer.add(made(4))
    assert open_dataset(tmp_path / "data").lengths == [4]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_what_is_no_dataset_is_not_replaced(task: TaskConfig, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match=r"holds thesis\.txt, which is no part of a dataset"):
        DatasetWriter(tmp_path, header(task), overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_void_episode_is_refused() -> None:
    with pytest.raises(DataError, match="outcome is 'void', allowed: success, failure, horizon, unknown"):
        made(4, outcome="void")


def _cut(folder: Path) -> None:
    path = folder / "image_third_view.npy"
    path.write_bytes(path.read_bytes()[:-1])


def _lose(folder: Path) -> None:
    (folder / "proprio.npy").unlink()


def _shorten(folder: Path) -> None:
    index = json.loads((folder / "dataset.json").read_text())
    index["episodes"][0]["length"] = 8
    (folder / "dataset.json").write_text(json.dumps(index))


def _spoil(folder: Path) -> None:
    action = np.load(folder / "action.npy")
    action[5, 0] = np.inf
    np.save(folder / "action.npy", action)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, r"image_third_view\.npy: not a whole \.npy file"),
        (_lose, r"proprio\.npy does not exist, but dataset\.json names it"),
        (_shorten, r"image_third_view\.npy: 'image_third_view' is uint8 \(9, 20, 24, 3\), must be uint8 \(8"),
        (_spoil, r"action\.npy: 'action' is not finite at tick 5"),
    ],
)
def test_a_damaged_dataset_is_named(task: TaskConfig, tmp_path: Path, damage: object, message: str) -> None:
    write(tmp_path / "data", task, made(9))
    damage(tmp_path / "data")
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path / "data", task)


def test_actions_of_another_layout_are_refused(task: TaskConfig, tmp_path: Path) -> None:
    """Seven numbers each, but poses relative to another orientation."""
    write(tmp_path / "data", task, made(9))
    other = change(task, "action", reference_quat_wxyz=(1.0, 0.0, 0.0, 0.0))
    with pytest.raises(DataError, match="action is ActionCodec"):
        load_dataset(tmp_path / "data", other)
