"""LeRobotDataset v3.0: a dataset of ours out and in again, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.formats.small import PLACE_ORANGE, assert_same, small_dataset, with_cameras
from zprl_core.config import load_task
from zprl_core.data.formats import lerobot_layout as layout
from zprl_core.data.formats.action_form import ActionForm
from zprl_core.data.formats.importing import import_dataset
from zprl_core.data.formats.lerobot import LerobotSource
from zprl_core.data.formats.lerobot_writing import write_lerobot
from zprl_core.data.formats.planning import ImportOptions, make_plan
from zprl_core.data.reading import StoredDataset, open_dataset
from zprl_core.errors import ConfigError, DataError, ZprlError

NOTHING_SAID = ImportOptions()


def imported(
    path: Path, out: Path, options: ImportOptions = NOTHING_SAID, task: Any = PLACE_ORANGE
) -> StoredDataset:
    with LerobotSource(path) as source:
        import_dataset(source, make_plan(source, task, options), out)
    return open_dataset(out)


def exported(data: StoredDataset, out: Path, **options: Any) -> Path:
    write_lerobot(data, out, ActionForm(layout.codec_of(data.header)), **options)
    return out


@pytest.mark.parametrize(("images", "error"), [("png", 0.0), ("h264", 1.0), ("av1", 1.0)])
def test_a_round_trip_restores_all_but_what_the_codec_loses(
    tmp_path: Path, images: str, error: float
) -> None:
    data = small_dataset(tmp_path / "data")
    exported(data, tmp_path / "lerobot", images=images)
    assert_same(data, imported(tmp_path / "lerobot", tmp_path / "again"), error)


def test_two_arms_three_cameras_and_other_rotations(tmp_path: Path) -> None:
    task = with_cameras(load_task("open_box"), 32, 48)
    data = small_dataset(tmp_path / "data", task, (3, 5))
    assert data.header.action is not None
    write_lerobot(data, tmp_path / "lerobot", ActionForm(data.header.action, "rotvec"), images="png")
    with LerobotSource(tmp_path / "lerobot") as source:
        raw = next(source.episodes((), ("action",)))
    assert raw.vectors["action"].shape == (3, 14)
    again = imported(tmp_path / "lerobot", tmp_path / "again", task=task)
    for one, other in zip(data, again, strict=True):
        np.testing.assert_allclose(other.action, one.action, atol=2e-6)


def test_files_begin_anew_where_they_are_full(tmp_path: Path) -> None:
    sizes = layout.Sizes(files_per_chunk=2, data_mb=1e-4, video_mb=1e-4)
    data = small_dataset(tmp_path / "data", lengths=(30, 31, 32))
    exported(data, tmp_path / "lerobot", sizes=sizes)
    names = sorted(
        str(path.relative_to(tmp_path / "lerobot")) for path in (tmp_path / "lerobot").rglob("*.parquet")
    )
    assert "data/chunk-000/file-001.parquet" in names and "data/chunk-001/file-000.parquet" in names
    assert len(list((tmp_path / "lerobot/videos").rglob("*.mp4"))) > 1
    assert_same(data, imported(tmp_path / "lerobot", tmp_path / "again"), 1.0)


def test_meta_says_what_lerobot_documents(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "data")
    exported(data, tmp_path / "lerobot", instruction="Place the orange.")
    info = json.loads((tmp_path / "lerobot" / layout.INFO).read_text())
    assert info["codebase_version"] == "v3.0" and info["fps"] == 30
    assert (info["total_episodes"], info["total_frames"], info["robot_type"]) == (2, 11, "xarm6_cell")
    assert info["features"]["observation.images.third_view"]["shape"] == [64, 128, 3]
    assert info["features"]["action"]["names"] == ["x", "y", "z", "rx", "ry", "rz", "gripper"]
    rows = pq.read_table(tmp_path / "lerobot" / layout.Place().path(layout.EPISODES)).to_pylist()
    key = "videos/observation.images.third_view"
    assert [row["dataset_to_index"] for row in rows] == [7, 11]
    assert rows[1][f"{key}/from_timestamp"] == pytest.approx(7 / 30)
    assert rows[1][f"{key}/to_timestamp"] == pytest.approx(11 / 30)
    assert rows[0]["tasks"] == ["Place the orange."]
    stats = json.loads((tmp_path / "lerobot" / layout.STATS).read_text())
    actions = np.concatenate([episode.action for episode in data]).astype(float)
    np.testing.assert_allclose(stats["action"]["std"], actions.std(axis=0))
    np.testing.assert_allclose(stats["action"]["q10"], np.quantile(actions, 0.1, axis=0))
    pixels = np.concatenate([episode.images["third_view"] for episode in data]) / 255.0
    channel = stats["observation.images.third_view"]
    np.testing.assert_allclose(np.ravel(channel["mean"]), pixels.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(np.ravel(channel["std"]), pixels.std(axis=(0, 1, 2)))
    assert np.shape(channel["max"]) == (3, 1, 1) and channel["count"] == [11]


def _foreign(folder: Path) -> None:
    """As from another library: nothing of ours in it."""
    (folder / layout.OWN).unlink()


def test_a_dataset_of_others_is_asked_for_what_it_does_not_say(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "data")
    path = exported(data, tmp_path / "lerobot", images="png")
    _foreign(path)
    with pytest.raises(ConfigError, match=r"--action-rotation, one of: task, rotvec, rot6d, rot6d_rows"):
        imported(path, tmp_path / "again")
    with pytest.raises(ConfigError, match="--gripper-open"):
        imported(path, tmp_path / "again", ImportOptions(rotation="task"))
    again = imported(path, tmp_path / "again", ImportOptions(rotation="task", gripper_as_is=True))
    assert [info.outcome for info in again.infos] == ["success", "failure"]
    assert again.infos[0].facts["instructions"] == ["place_orange_demo"]
    np.testing.assert_array_equal(again.episode(1).action, data.episode(1).action)
    task = replace(PLACE_ORANGE, rate_hz=20.0)
    with pytest.raises(DataError, match="30 Hz, which is no whole multiple of the task's 20 Hz"):
        imported(path, tmp_path / "slower", ImportOptions(rotation="task", gripper_as_is=True), task)


def test_another_lead_is_refused(tmp_path: Path) -> None:
    path = exported(small_dataset(tmp_path / "data"), tmp_path / "lerobot", images="png")
    task = replace(PLACE_ORANGE, observation=replace(PLACE_ORANGE.observation, lead_steps=1))
    with pytest.raises(DataError, match=r"made with lead_steps = 2, .* has observation\.lead_steps: 1"):
        imported(path, tmp_path / "again", task=task)


def _edit_info(key: str, value: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        info = json.loads((folder / layout.INFO).read_text())
        info[key] = value
        (folder / layout.INFO).write_text(json.dumps(info))

    return edit


def _cut(name: str, share: float) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(share * len(data))])

    return cut


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _column(name: str, replace_with: Callable[[Any], Any]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "data/chunk-000/file-000.parquet"
        table = pq.read_table(path)
        pq.write_table(replace_with(table), path)

    return change


VIDEO = "videos/observation.images.third_view/chunk-000/file-000.mp4"
DATA = "data/chunk-000/file-000.parquet"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            _edit_info("codebase_version", "v2.1"),
            r"'v2\.1', this version reads v3\.0; convert it with LeRobot 0\.4",
        ),
        (_edit_info("fps", 0), r"info\.json: fps is 0, must be above 0"),
        (_remove(layout.INFO), r"it is no LeRobotDataset"),
        (_remove(DATA), r"file-000\.parquet does not exist, but meta/episodes names it"),
        (_remove(VIDEO), r"file-000\.mp4 does not exist, but meta/episodes names it"),
        (_cut(DATA, 0.5), r"file-000\.parquet: is no whole parquet file"),
        (_cut(VIDEO, 0.5), r"file-000\.mp4: is no whole video"),
        (_cut(layout.INFO, 0.5), r"info\.json: cannot be read"),
        (_cut(layout.OWN, 0.5), r"zprl\.json: cannot be read"),
        (_column("", lambda table: table.drop(["action"])), r"has no column 'action'; it has: "),
        (_column("", lambda table: table.slice(0, 9)), r"episode 1: has 2 ticks, meta/episodes says 4"),
        (_column("", lambda table: table.slice(2)), r"episode 0: its rows belong to episode \[0, 1\]"),
    ],
)
def test_what_is_damaged_is_named_and_nothing_is_left(
    tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    path = exported(small_dataset(tmp_path / "data"), tmp_path / "lerobot")
    shutil.rmtree(tmp_path / "data")
    spoil(path)
    with pytest.raises(ZprlError, match=said):
        imported(path, tmp_path / "again")
    assert [each.name for each in tmp_path.iterdir()] == ["lerobot"]


def test_an_export_that_cannot_be_leaves_nothing(tmp_path: Path) -> None:
    odd = small_dataset(tmp_path / "odd", with_cameras(PLACE_ORANGE, 33, 48))
    with pytest.raises(
        DataError, match=r"33x48 pixels cannot be encoded as h264, whose sides are even.*--images png"
    ):
        exported(odd, tmp_path / "lerobot")
    slow = small_dataset(tmp_path / "slow", replace(PLACE_ORANGE, rate_hz=12.5))
    with pytest.raises(DataError, match=r"12\.5 Hz; LeRobot's fps is a whole number"):
        exported(slow, tmp_path / "lerobot")
    np.lib.format.open_memmap(tmp_path / "slow/action.npy", "r+")[9] = np.nan
    with pytest.raises(DataError, match="not finite"):
        exported(open_dataset(tmp_path / "slow"), tmp_path / "lerobot", images="png")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["odd", "slow"]
    (tmp_path / "lerobot").mkdir()
    exported(odd, tmp_path / "lerobot", images="png")
    with pytest.raises(DataError, match="lerobot: is there already; choose another --out"):
        exported(odd, tmp_path / "lerobot", images="png")
