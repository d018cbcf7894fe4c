"""The dataset folder: windows by hand, and a message for everything that can be wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.learning.tiny import change, episode, index, write_dataset
from zprl_core.config import TaskConfig
from zprl_core.data.dataset import load_dataset, windows
from zprl_core.errors import ConfigError, DataError


def test_windows_by_hand() -> None:
    """Two episodes of 5 and 3 ticks, two observations, chunks of 3, L = 1."""
    history, chunk = windows([5, 3], steps=2, chunk=3, lead=1)
    assert history.tolist() == [[0, 0], [0, 1], [1, 2], [2, 3], [5, 5], [5, 6]]
    assert chunk.tolist() == [[1, 2, 3], [2, 3, 4], [3, 4, 4], [4, 4, 4], [6, 7, 7], [7, 7, 7]]


def test_episodes_shorter_than_the_lead_leave_no_window() -> None:
    history, _ = windows([2, 4], steps=1, chunk=2, lead=3)
    assert history.tolist() == [[2]]


def test_contents(task: TaskConfig, tmp_path: Path) -> None:
    write_dataset(tmp_path, [9, 6])
    data = load_dataset(tmp_path, task)
    assert (data.episodes, len(data)) == (2, 7 + 4)
    assert data.images["third_view"].shape == (15, 20, 24, 3)
    second = np.load(tmp_path / "episode_00001.npz")
    np.testing.assert_array_equal(data.proprio[9:], second["proprio"])
    np.testing.assert_array_equal(data.images["third_view"][9:], second["image_third_view"])
    chunk = data.action_chunks(np.array([7]))[0]  # the second episode's first window, L = 2
    np.testing.assert_array_equal(chunk, second["action"][2:6])
    assert data.window_episode().tolist() == [0] * 7 + [1] * 4


def spoil(folder: Path, **arrays: np.ndarray | None) -> None:
    """Replace (or with None, remove) arrays of the second episode."""
    good = {**episode(np.random.default_rng(0), 6), **arrays}
    np.savez(folder / "episode_00001.npz", **{k: v for k, v in good.items() if v is not None})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"action": np.full((6, 7), np.nan, np.float32)}, "'action' is not finite at tick 0"),
        ({"proprio": np.zeros((6, 4), np.float32)}, r"'proprio' is float32 \(6, 4\)"),
        ({"image_third_view": None}, "array 'image_third_view' is missing"),
        ({"stamp_ns": None}, "array 'stamp_ns' is missing"),
        ({"action": np.zeros((6, 6), np.float32)}, r"'action' is float32 \(6, 6\), must be float32 \(6, 7\)"),
        ({"action": np.zeros((6, 7))}, "'action' is float64"),
        ({"image_third_view": np.zeros((5, 20, 24, 3), np.uint8)}, "'image_third_view' is uint8"),
        ({"stamp_ns": np.array([0, 1, 2, 2, 3, 4])}, "stamp_ns does not increase at tick 3"),
    ],
)
def test_bad_arrays(
    task: TaskConfig, tmp_path: Path, arrays: dict[str, np.ndarray | None], message: str
) -> None:
    write_dataset(tmp_path, [9, 6])
    spoil(tmp_path, **arrays)
    with pytest.raises(DataError, match=rf"episode_00001\.npz: {message}"):
        load_dataset(tmp_path, task)


def test_one_nan_is_found(task: TaskConfig, tmp_path: Path) -> None:
    write_dataset(tmp_path, [9, 6])
    proprio = np.zeros((6, 3), np.float32)
    proprio[4, 1] = np.inf
    spoil(tmp_path, proprio=proprio)
    with pytest.raises(DataError, match="'proprio' is not finite at tick 4"):
        load_dataset(tmp_path, task)


def test_truncated_and_missing_episode(task: TaskConfig, tmp_path: Path) -> None:
    write_dataset(tmp_path, [9, 6])
    path = tmp_path / "episode_00001.npz"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"episode_00001\.npz: not a whole \.npz file"):
        load_dataset(tmp_path, task)
    path.unlink()
    with pytest.raises(DataError, match=r"does not exist, but dataset\.json names it"):
        load_dataset(tmp_path, task)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 4}, "format is 4, this version reads 1, 2 and 3"),
        ({"episodes": []}, "episodes is empty"),
        ({"episodes": ["episode_00000.npz"]}, "list of mappings"),
        (
            {"cameras": {"wrist": [20, 24]}},
            r"camera 'third_view' of task place_orange_demo is missing; it has: wrist",
        ),
        ({"cameras": {"third_view": [24, 20]}}, r"cameras.third_view is \[24, 20\]"),
        ({"rate_hz": 10}, "rate_hz is 10, task place_orange_demo needs 30"),
        ({"action_dim": 6}, "action_dim is 6"),
        ({"lead_steps": 3}, r"lead_steps is 3, task place_orange_demo has observation\.lead_steps: 2"),
        ({"lead_steps": None}, "lead_steps is None"),
        ({"lead_steps": 0, "format": 1}, "lead_steps is 0"),
    ],
)
def test_bad_index(task: TaskConfig, tmp_path: Path, changes: dict[str, object], message: str) -> None:
    write_dataset(tmp_path, [9, 6])
    (tmp_path / "dataset.json").write_text(json.dumps({**index([9, 6]), **changes}))
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path, task)


def test_where_the_data_comes_from(task: TaskConfig, tmp_path: Path) -> None:
    write_dataset(tmp_path, [9])
    found = load_dataset(tmp_path, task).provenance
    assert found is not None and str(found) == "calibration cell-1 of rig cell"
    assert [(delay.name, delay.delay_s) for delay in found.delays] == [("camera third_view", 0.03)]
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({**index([9]), "delays": [{"name": "camera third_view", "delay_s": -1}]}))
    with pytest.raises(ConfigError, match=r"dataset\.json: delays\[0\]\.delay_s: -1 is out of range"):
        load_dataset(tmp_path, task)


def test_format_1_does_not_have_to_say_it(task: TaskConfig, tmp_path: Path) -> None:
    write_dataset(tmp_path, [9])
    said_since = ("rig", "calibration", "delays", "lead_steps")
    old = {key: value for key, value in index([9]).items() if key not in said_since}
    (tmp_path / "dataset.json").write_text(json.dumps({**old, "format": 1}))
    data = load_dataset(tmp_path, task)
    assert len(data) == 7 and data.provenance is None


def test_no_index(task: TaskConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="zprl collect"):
        load_dataset(tmp_path, task)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(DataError, match="not a JSON file"):
        load_dataset(tmp_path, task)


def test_every_episode_too_short(task: TaskConfig, tmp_path: Path) -> None:
    write_dataset(tmp_path, [4])
    (tmp_path / "dataset.json").write_text(json.dumps({**index([4]), "lead_steps": 4}))
    with pytest.raises(DataError, match="no episode is longer than lead_steps = 4"):
        load_dataset(tmp_path, change(task, "observation", lead_steps=4))
