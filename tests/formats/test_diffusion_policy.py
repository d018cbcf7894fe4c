"""diffusion_policy's replay buffers, in the layout that its repository documents."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.formats.foreign import BLOSC, CAMERAS, demo_arrays, pictures, write_array, write_group
from zprl_core.config import load_task
from zprl_core.data.formats.diffusion_policy import DiffusionPolicySource
from zprl_core.data.formats.gripper import GripperScale
from zprl_core.data.formats.importing import import_dataset
from zprl_core.data.formats.planning import ImportOptions, make_plan
from zprl_core.data.reading import StoredDataset, open_dataset
from zprl_core.errors import ConfigError, ZprlError

CAN = load_task("can")
PANDA = GripperScale(open_command=-1.0, open_width_m=0.08, closed_command=1.0, closed_width_m=0.0)
OPTIONS = ImportOptions(rotation="rot6d_rows", gripper=PANDA, rate_hz=20.0)
LENGTHS = (5, 3)


def write_buffer(path: Path, *, codec: Any = None) -> dict[str, Any]:
    """As diffusion_policy caches a robomimic file: rotations as the first two rows, images one chunk each."""
    rng = np.random.default_rng(0)
    demos = [demo_arrays(rng, ticks) for ticks in LENGTHS]
    held: dict[str, Any] = {key: np.concatenate([demo[key] for demo in demos]) for key in demos[0]}
    matrix = Rotation.from_rotvec(held["absolute"][:, 3:6]).as_matrix()
    rows = matrix[:, :2].reshape(-1, 6)
    held["action"] = np.concatenate([held["absolute"][:, :3], rows, held["absolute"][:, 6:]], axis=1)
    for camera in CAMERAS:
        held[f"{camera}_image"] = np.concatenate([pictures(rng, ticks) for ticks in LENGTHS])
    write_group(path, "data", "meta")
    for key, array in held.items():
        if key in ("absolute", "delta"):
            continue
        if key.endswith("_image"):
            write_array(path / "data" / key, array, rows=1, codec=codec or BLOSC)
        else:
            write_array(path / "data" / key, array.astype(np.float32))
    write_array(path / "meta/episode_ends", np.cumsum(LENGTHS), codec=None)
    return held


def imported(path: Path, out: Path, options: ImportOptions = OPTIONS, task: Any = CAN) -> StoredDataset:
    with DiffusionPolicySource(path) as source:
        import_dataset(source, make_plan(source, task, options), out)
    return open_dataset(out)


def _check(data: StoredDataset, held: dict[str, Any], image_error: int = 0) -> None:
    assert data.lengths == list(LENGTHS)
    for episode, ticks in zip(data, (slice(0, 5), slice(5, 8)), strict=True):
        for camera in CAMERAS:
            away = np.abs(episode.images[camera].astype(int) - held[f"{camera}_image"][ticks])
            assert away.mean() <= image_error
        q = np.concatenate(
            [held[f"robot0_{key}"][ticks] for key in ("eef_pos", "eef_quat", "gripper_qpos")], 1
        )
        np.testing.assert_array_equal(episode.proprio, q.astype(np.float32))
        matrix = Rotation.from_rotvec(held["absolute"][ticks, 3:6]).as_matrix()
        columns = np.concatenate([matrix[:, :, 0], matrix[:, :, 1]], axis=1)
        np.testing.assert_allclose(episode.action[:, 3:9], columns, atol=1e-6)
        np.testing.assert_allclose(episode.action[:, :3], held["absolute"][ticks, :3], atol=1e-6)
        assert set(episode.action[:, 9]) <= {np.float32(0.0), np.float32(0.08)}


def test_a_folder_and_a_zip_of_it(tmp_path: Path) -> None:
    held = write_buffer(tmp_path / "buffer.zarr")
    _check(imported(tmp_path / "buffer.zarr", tmp_path / "data"), held)
    shutil.make_archive(str(tmp_path / "buffer.zarr"), "zip", tmp_path / "buffer.zarr")
    _check(imported(tmp_path / "buffer.zarr.zip", tmp_path / "zipped"), held)


def _as_it_writes_codecs(path: Path) -> None:
    """The settings that diffusion_policy's own codec class leaves in .zarray."""
    names = ["codecformat", "colorspace", "tile", "reversible", "bitspersample", "resolutions", "numthreads"]
    for camera in CAMERAS:
        array = path / f"data/{camera}_image/.zarray"
        described = json.loads(array.read_text())
        described["compressor"] = {
            "id": "imagecodecs_jpeg2k",
            "level": 50,
            **dict.fromkeys(names),
            "verbose": 0,
        }
        array.write_text(json.dumps(described))


def test_pictures_in_jpeg_2000(tmp_path: Path) -> None:
    numcodecs = pytest.importorskip("imagecodecs.numcodecs")
    numcodecs.register_codecs(verbose=False)
    held = write_buffer(tmp_path / "buffer.zarr", codec=numcodecs.Jpeg2k(level=50))
    _as_it_writes_codecs(tmp_path / "buffer.zarr")
    _check(imported(tmp_path / "buffer.zarr", tmp_path / "data"), held, image_error=1)


def test_without_imagecodecs_its_name_is_told(tmp_path: Path) -> None:
    write_buffer(tmp_path / "buffer.zarr")
    _as_it_writes_codecs(tmp_path / "buffer.zarr")
    code = (
        "import sys; sys.modules['imagecodecs'] = None; from pathlib import Path\n"
        "from zprl_core.data.formats.diffusion_policy import DiffusionPolicySource\n"
        "list(DiffusionPolicySource(Path(sys.argv[1])).episodes(['agentview_image'], ['action']))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "buffer.zarr")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=dict(os.environ))
    assert "ConfigError" in done.stderr and "pip install imagecodecs" in done.stderr


def test_the_published_push_t_buffers_hold_levels_as_floats(tmp_path: Path) -> None:
    held = write_buffer(tmp_path / "buffer.zarr")
    for camera in CAMERAS:
        write_array(tmp_path / "buffer.zarr/data" / camera, held[f"{camera}_image"].astype(np.float32))
    options = replace(OPTIONS, cameras={camera: camera for camera in CAMERAS})
    _check(imported(tmp_path / "buffer.zarr", tmp_path / "data", options), held)


def test_stamps_are_those_of_the_robot(tmp_path: Path) -> None:
    write_buffer(tmp_path / "buffer.zarr")
    write_array(tmp_path / "buffer.zarr/data/timestamp", 1.7e9 + np.arange(8) * 0.05)
    stamps = imported(tmp_path / "buffer.zarr", tmp_path / "data").episode(1).stamp_ns
    np.testing.assert_allclose(np.diff(stamps), 50_000_000, atol=500)
    assert abs(stamps[0] - 1_700_000_000_250_000_000) < 500


def test_a_rate_that_the_timestamps_contradict_is_refused(tmp_path: Path) -> None:
    write_buffer(tmp_path / "buffer.zarr")
    write_array(tmp_path / "buffer.zarr/data/timestamp", 1.7e9 + np.arange(8) * 0.1)
    with pytest.raises(ZprlError, match=r"timestamps are 0\.1 s apart where 0\.05 s are expected"):
        imported(tmp_path / "buffer.zarr", tmp_path / "data")


def _ends(*values: int) -> Callable[[Path], None]:
    return lambda path: write_array(path / "meta/episode_ends", np.array(values), codec=None)


def _nan(path: Path) -> None:
    actions = np.tile(np.array([0, 0, 0, 1, 0, 0, 0, 1, 0, 1], dtype=np.float32), (8, 1))
    actions[6, 2] = np.nan
    write_array(path / "data/action", actions)


def _remove(name: str) -> Callable[[Path], None]:
    return lambda path: shutil.rmtree(path / name)


def _cut_chunk(path: Path) -> None:
    chunk = path / "data/agentview_image/6.0.0.0"
    chunk.write_bytes(chunk.read_bytes()[:40])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_ends(5, 5, 8), r"episode_ends: episode 1 would have 0 ticks"),
        (_ends(5, 9), r"has 8 ticks, meta/episode_ends goes to 9; it is cut off"),
        (_nan, r"episode_1: action is \[.*nan.*at tick 1"),
        (_remove("meta"), r"has no group 'meta' but data: it is no replay buffer"),
        (_remove("data/robot0_eef_quat"), r"give --proprio KEY,KEY; it has: action, agentview_image"),
        (_cut_chunk, r"data/agentview_image: ticks 5 to 8: cannot be read"),
        (
            lambda path: (path / "data/agentview_image/6.0.0.0").unlink(),
            r"is black at tick 6: a chunk of it is",
        ),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_left(
    tmp_path: Path, spoil: Callable[[Path], Any], said: str
) -> None:
    write_buffer(tmp_path / "buffer.zarr")
    spoil(tmp_path / "buffer.zarr")
    with pytest.raises(ZprlError, match=said):
        imported(tmp_path / "buffer.zarr", tmp_path / "data")
    assert [each.name for each in tmp_path.iterdir()] == ["buffer.zarr"]


def test_what_has_to_be_said_is_asked_for(tmp_path: Path) -> None:
    write_buffer(tmp_path / "buffer.zarr")
    with pytest.raises(ConfigError, match=r"does not say its rate: give --rate HZ"):
        imported(tmp_path / "buffer.zarr", tmp_path / "data", replace(OPTIONS, rate_hz=None))
    with pytest.raises(ConfigError, match=r"give --action-rotation"):
        imported(tmp_path / "buffer.zarr", tmp_path / "data", replace(OPTIONS, rotation=None))
    (tmp_path / "no.zip").write_bytes(b"no zip")
    with pytest.raises(ZprlError, match=r"no\.zip: is no whole zip file"):
        imported(tmp_path / "no.zip", tmp_path / "data")
