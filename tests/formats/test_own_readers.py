"""What was exported, opened by LeRobot and robomimic themselves; and what LeRobot wrote, imported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.formats.foreign import pictures
from tests.formats.readers import needs_readers, read_with, run_reader
from tests.formats.small import PLACE_ORANGE, small_dataset, with_cameras
from zprl_core.config import load_task
from zprl_core.data.episode import Episode, EpisodeInfo
from zprl_core.data.formats.action_form import ActionForm
from zprl_core.data.formats.importing import import_dataset
from zprl_core.data.formats.lerobot import LerobotSource
from zprl_core.data.formats.lerobot_layout import Sizes, codec_of
from zprl_core.data.formats.lerobot_writing import write_lerobot
from zprl_core.data.formats.planning import ImportOptions, make_plan
from zprl_core.data.formats.robomimic_writing import write_robomimic
from zprl_core.data.reading import StoredDataset, open_dataset
from zprl_core.data.writing import DatasetWriter

pytestmark = needs_readers


def _all(data: StoredDataset, name: str) -> np.ndarray:
    return np.concatenate([episode.arrays()[name] for episode in data])


@pytest.mark.slow
@pytest.mark.parametrize(("images", "error"), [("png", 0.51), ("h264", 2.0), ("av1", 2.0)])
def test_lerobot_reads_what_was_exported(tmp_path: Path, images: str, error: float) -> None:
    data = small_dataset(tmp_path / "data", lengths=(40, 45, 5))
    write_lerobot(
        data,
        tmp_path / "lerobot",
        ActionForm(codec_of(data.header)),
        images=images,
        instruction="Place the orange.",
        sizes=Sizes(data_mb=1e-3, video_mb=1e-4),
    )
    found = read_with("lerobot_reader.py", tmp_path / "lerobot", tmp_path)
    np.testing.assert_array_equal(found["action"], _all(data, "action"))
    np.testing.assert_array_equal(found["observation.state"], _all(data, "proprio"))
    np.testing.assert_array_equal(found["stamp_ns"], _all(data, "stamp_ns"))
    assert found["lengths"].tolist() == data.lengths and found["fps"] == 30
    assert found["episode_index"].tolist() == [0] * 40 + [1] * 45 + [2] * 5
    assert np.flatnonzero(found["next.reward"]).tolist() == [39, 89]
    assert set(found["tasks"]) == {"Place the orange."}
    frames = 255 * np.moveaxis(found["observation.images.third_view"], 1, -1)
    away = np.abs(frames - _all(data, "image_third_view")).mean(axis=(1, 2, 3))
    assert away.max() <= error
    np.testing.assert_allclose(found["stats/action/mean"], _all(data, "action").mean(axis=0), rtol=1e-5)
    assert found["stats/observation.images.third_view/mean"].shape == (3, 1, 1)


@pytest.mark.slow
def test_lerobot_reads_two_arms_and_a_state_of_one_number(tmp_path: Path) -> None:
    task = with_cameras(load_task("open_box"), 64, 64)
    task = replace(task, observation=replace(task.observation, proprio_dim=1))
    data = small_dataset(tmp_path / "data", task, (3, 2))
    write_lerobot(data, tmp_path / "lerobot", ActionForm(codec_of(data.header), "quat_xyzw"))
    found = read_with("lerobot_reader.py", tmp_path / "lerobot", tmp_path)
    np.testing.assert_array_equal(found["observation.state"], _all(data, "proprio")[:, 0])
    assert sorted(found["camera_keys"]) == sorted(
        f"observation.images.{name}" for name in data.header.cameras
    )
    w, x, y, z = _all(data, "action")[:, 3:7].T  # relative to the tool that points down, (0, 1, 0, 0)
    absolute_xyzw = np.stack([w, -z, y, -x], axis=1)  # (0, 1, 0, 0) * (w, x, y, z) = (-x, w, -z, y)
    same = np.abs(np.sum(found["action"][:, 3:7] * absolute_xyzw, axis=1))  # q and -q are one rotation
    np.testing.assert_allclose(same, 1.0, atol=1e-5)


@pytest.mark.slow
def test_what_lerobot_wrote_is_imported(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    state, action = (
        rng.uniform(-1, 1, (9, 7)).astype(np.float32),
        rng.uniform(-1, 1, (9, 7)).astype(np.float32),
    )
    front = np.concatenate([pictures(rng, 5, (64, 128)), pictures(rng, 4, (64, 128))])
    np.savez(tmp_path / "in.npz", front=front, state=state, action=action, lengths=[5, 4])
    run_reader("lerobot_reader.py", "--write", tmp_path / "in.npz", tmp_path / "lerobot")
    options = ImportOptions(
        cameras={"third_view": "observation.images.front"}, rotation="task", gripper_as_is=True
    )
    with LerobotSource(tmp_path / "lerobot") as source:
        import_dataset(source, make_plan(source, PLACE_ORANGE, options), tmp_path / "data")
    data = open_dataset(tmp_path / "data")
    assert data.lengths == [5, 4]
    np.testing.assert_array_equal(_all(data, "proprio"), state)
    np.testing.assert_allclose(_all(data, "action"), action, atol=1e-7)
    decoded = _all(data, "image_third_view").astype(int)
    for start, end in (
        (0, 5),
        (5, 9),
    ):  # each frame is nearest to its own tick; LeRobot's AV1 loses more than ours
        away = [[np.abs(one - other).mean() for other in front[start:end]] for one in decoded[start:end]]
        assert np.argmin(away, axis=1).tolist() == list(range(end - start))
    assert data.infos[0].outcome == "unknown"
    assert data.infos[1].facts["instructions"] == ["Place the orange."]


def _split_dataset(folder: Path) -> StoredDataset:
    """A small dataset whose first episode is for training, the second for validation."""
    whole = small_dataset(folder.with_name("whole"))
    with DatasetWriter(folder, whole.header) as writer:
        for episode, split in zip(whole, ("train", "valid"), strict=True):
            info = EpisodeInfo.from_dict({**episode.info.to_dict(), "facts": {"splits": [split]}})
            writer.add(Episode(episode.images, episode.proprio, episode.action, episode.stamp_ns, info))
    return open_dataset(folder)


@pytest.mark.slow
def test_robomimic_reads_what_was_exported(tmp_path: Path) -> None:
    data = _split_dataset(tmp_path / "data")
    write_robomimic(data, tmp_path / "out.hdf5", ActionForm(codec_of(data.header)))
    found = read_with("robomimic_reader.py", tmp_path / "out.hdf5", tmp_path)
    assert int(found["demos"]) == 2 and int(found["train"]) == 7
    np.testing.assert_array_equal(found["actions"], _all(data, "action"))
    np.testing.assert_array_equal(found["obs/proprio"], _all(data, "proprio"))
    images = _all(data, "image_third_view")
    np.testing.assert_array_equal(found["obs/third_view_image"], images)
    np.testing.assert_array_equal(found["next_obs/third_view_image"][:6], images[1:7])
    assert np.flatnonzero(found["rewards"]).tolist() == [6]
    assert np.flatnonzero(found["dones"]).tolist() == [6, 10]
