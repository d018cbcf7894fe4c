# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from zprl_core.config import load_task
from zprl_core.data.dataset import load_dataset
from zprl_core.data.reading import read_index
from zprl_core.errors import DataError
from zprl_sim.collect import REST_STEPS, CollectConfig, Collector, collect, episode_seed
from zprl_sim.expert import NO_FLAWS, Flaws
from zprl_sim.layout import draw_layout

SMALL = CollectConfig(cameras={"third_view": (24, 32), "wrist": (24, 32)}, horizon_steps=12)


def test_a_dataset_has_the_promised_files_and_arrays(tmp_path: Path) -> None:
    seen: list[tuple[int, int, int]] = []
    header = collect(tmp_path / "data", 2, 7, SMALL, workers=1, progress=lambda *now: seen.append(now))
    assert header == json.loads((tmp_path / "data/dataset.json").read_text())
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "action.npy",
        "dataset.json",
        "image_third_view.npy",
        "image_wrist.npy",
        "proprio.npy",
        "stamp_ns.npy",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    said = ("format", "rig", "lead_steps", "calibration", "delays")
    assert [header[key] for key in said] == [3, "sim_xarm6", 0, None, []]
    assert header["cameras"] == {"third_view": [24, 32], "wrist": [24, 32]}
    assert [entry["length"] for entry in header["episodes"]] == [12, 12]
    assert [now[:2] for now in seen] == [(0, 2), (1, 2), (2, 2)]
    files = {path.stem: np.load(path) for path in (tmp_path / "data").glob("*.npy")}
    assert {name: (array.dtype.name, array.shape) for name, array in files.items()} == {
        "image_third_view": ("uint8", (24, 24, 32, 3)),
        "image_wrist": ("uint8", (24, 24, 32, 3)),
        "proprio": ("float32", (24, 7)),
        "action": ("float32", (24, 7)),
        "stamp_ns": ("int64", (24,)),
    }


def test_the_dataset_reader_takes_it_for_the_demo_task(tmp_path: Path) -> None:
    task = load_task("place_orange_demo")
    cameras = {view.name: (view.height, view.width) for view in task.observation.cameras}
    config = CollectConfig(cameras=cameras, horizon_steps=6, lead_steps=task.observation.lead_steps)
    collect(tmp_path, 1, 3, config, workers=1)
    data = load_dataset(tmp_path, task)
    assert (data.episodes, len(data.actions)) == (1, 6)


def test_any_number_of_workers_writes_the_same_data(tmp_path: Path) -> None:
    one = collect(tmp_path / "one", 3, 11, SMALL, workers=1)
    two = collect(tmp_path / "two", 3, 11, SMALL, workers=2)
    assert one == two
    for path in (tmp_path / "one").glob("*.npy"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_data_that_is_there_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    collect(tmp_path, 2, 1, SMALL, workers=1)
    before = (tmp_path / "action.npy").read_bytes()
    with pytest.raises(DataError, match="overwrite"):
        collect(tmp_path, 1, 2, SMALL, workers=1)
    assert (tmp_path / "action.npy").read_bytes() == before
    collect(tmp_path, 1, 2, SMALL, workers=1, overwrite=True)
    assert len(read_index(tmp_path)["episodes"]) == 1


def test_an_interrupted_collection_is_no_dataset(tmp_path: Path) -> None:
    def stop(done: int, total: int, successes: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(tmp_path / "data", 2, 1, SMALL, workers=1, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("episodes", "workers"), [(0, 1), (1, 0)])
def test_nothing_to_do_is_refused(tmp_path: Path, episodes: int, workers: int) -> None:
    with pytest.raises(DataError, match="1 or more"):
        collect(tmp_path, episodes, 1, SMALL, workers=workers)


def test_a_whole_demonstration_holds_what_the_arm_was_told_and_what_was_seen() -> None:
    config = CollectConfig(cameras={"third_view": (24, 32)}, horizon_steps=170, flaws=NO_FLAWS)
    collector = Collector(config)
    seed = episode_seed(0, 0)
    demonstration = collector.demonstrate(seed)
    collector.close()
    assert demonstration.info.success
    assert demonstration.info.facts["flaws"] == []
    arrays = demonstration.arrays()
    actions, layout = arrays["action"], draw_layout(seed)
    np.testing.assert_allclose(actions[0, :3], layout.home_tcp, atol=1e-6)
    np.testing.assert_allclose(actions[:3], np.tile(actions[0], (3, 1)), atol=1e-6)
    np.testing.assert_allclose(actions[-10:], np.tile(actions[-1], (10, 1)), atol=1e-6)
    np.testing.assert_allclose(actions[60, :2], layout.half_xy, atol=1e-6)
    np.testing.assert_array_less(np.abs(actions[:, 3:6]), 1.7)
    ticks = np.diff(arrays["stamp_ns"])
    np.testing.assert_allclose(ticks, 1e9 / 30, atol=2)
    assert arrays["proprio"][75, 6] == pytest.approx(0.064, abs=0.002)  # the half is between the tongs
    assert len(np.unique(arrays["image_third_view"], axis=0)) > 100


def test_a_failed_demonstration_is_kept_and_labelled() -> None:
    always = Flaws(aim_share=1.0, aim_scale=0.001, low_share=0.0)
    collector = Collector(CollectConfig(cameras={}, horizon_steps=170, flaws=always))
    demonstration = collector.demonstrate(episode_seed(0, 0))
    collector.close()
    assert demonstration.info.outcome == "failure"
    assert demonstration.info.facts["flaws"] == ["aim"]
    assert demonstration.info.facts["end"] != ""
    assert len(demonstration.action) == demonstration.info.length
    still = demonstration.action[-REST_STEPS - 1 :]
    assert np.all(still == still[0])  # it ends that long after the expert's last motion
