"""Small files in the layouts of other libraries, written with h5py and numcodecs and nothing of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numcodecs
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

MH_ENV: dict[str, Any] = {
    "env_name": "PickPlaceCan",
    "type": 1,
    "env_kwargs": {
        "control_freq": 20,
        "controller_configs": {
            "type": "OSC_POSE",
            "control_delta": True,
            "output_max": [0.05] * 3 + [0.5] * 3,
        },
    },
}
"""What the published multi-human files say, shortened."""
BLOSC = numcodecs.Blosc(cname="lz4", clevel=5, shuffle=0)
"""What diffusion_policy compresses arrays with."""
CAMERAS = ("agentview", "robot0_eye_in_hand")


def pictures(rng: np.random.Generator, ticks: int, size: tuple[int, int] = (84, 84)) -> NDArray[np.uint8]:
    """(T, h, w, 3): smooth, so that a video codec keeps it well, with a bright bar that moves every tick."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]] / max(size)
    base = np.stack([60 * rows, 60 * columns, 30 * (rows + columns)], axis=-1)
    shift = 30 + 10 * rng.random() + 5 * (np.arange(ticks) % 32)
    frames = np.asarray(base[None] + shift[:, None, None, None], dtype=np.uint8)
    for tick in range(ticks):
        left = 8 * tick % size[1]
        frames[tick, :, left : left + 8] = 220
    return frames


def demo_arrays(rng: np.random.Generator, ticks: int, arms: int = 1) -> dict[str, NDArray[Any]]:
    """Tool poses about 0.9 m above the origin, absolute actions (N, 7 * arms) 2 cm ahead, deltas."""
    arrays: dict[str, NDArray[Any]] = {}
    absolute = []
    for arm in range(arms):
        position = np.array([0.1, -0.2 + 0.4 * arm, 0.9]) + 0.01 * rng.standard_normal((ticks, 3)).cumsum(0)
        turns = Rotation.from_rotvec(rng.uniform(-1, 1, (ticks, 3)))
        arrays[f"robot{arm}_eef_pos"] = position
        arrays[f"robot{arm}_eef_quat"] = turns.as_quat()
        arrays[f"robot{arm}_gripper_qpos"] = rng.uniform(-0.04, 0.04, (ticks, 2))
        grip = rng.choice([-1.0, 1.0], (ticks, 1))
        absolute.append(np.concatenate([position + 0.02, turns.as_rotvec(), grip], axis=1))
    arrays["absolute"] = np.concatenate(absolute, axis=1)
    arrays["delta"] = rng.uniform(-1, 1, (ticks, 7 * arms))
    return arrays


def write_robomimic_file(
    path: Path,
    lengths: tuple[int, ...] = (5, 3),
    *,
    actions: str = "absolute",
    arms: int = 1,
    cameras: tuple[str, ...] = CAMERAS,
    size: tuple[int, int] = (84, 84),
    env: dict[str, Any] = MH_ENV,
) -> dict[str, list[Any]]:
    """A file as robomimic's dataset_states_to_obs.py leaves it; returns what it holds, by key."""
    rng, held = np.random.default_rng(0), dict[str, list[Any]]()
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["total"], data.attrs["env_args"] = sum(lengths), json.dumps(env)
        for number, ticks in enumerate(lengths):
            demo, arrays = data.create_group(f"demo_{number}"), demo_arrays(rng, ticks, arms)
            demo.attrs["num_samples"], demo.attrs["model_file"] = ticks, "<mujoco/>"
            images = {f"{camera}_image": pictures(rng, ticks, size) for camera in cameras}
            rewards = np.zeros(ticks)
            rewards[-1] = 1.0
            top = {
                "actions": arrays.pop(actions),
                "rewards": rewards,
                "dones": (rewards > 0).astype(np.int64),
                "states": rng.uniform(size=(ticks, 4)),
            }
            for key, array in top.items():
                demo[key] = array
            for key, array in {**images, **arrays}.items():
                if key.startswith("robot") or key.endswith("_image"):
                    demo[f"obs/{key}"] = array
                    demo[f"next_obs/{key}"] = np.concatenate([array[1:], array[-1:]])
            for key, array in {**top, **images, **arrays}.items():
                held.setdefault(key, []).append(array)
        file["mask/train"] = np.array([f"demo_{n}" for n in range(len(lengths) - 1)], dtype="S8")
        file["mask/valid"] = np.array([f"demo_{len(lengths) - 1}"], dtype="S8")
    return held


def write_group(path: Path, *names: str) -> None:
    """A zarr group of format 2 with these groups in it."""
    for folder in (path, *(path / name for name in names)):
        folder.mkdir(parents=True)
        (folder / ".zgroup").write_text('{"zarr_format": 2}')


def write_array(path: Path, array: NDArray[Any], rows: int | None = None, codec: Any = BLOSC) -> None:
    """A zarr array of format 2, as its specification has it, in chunks of so many rows (default: one)."""
    rows = len(array) if rows is None else rows
    described = {
        "zarr_format": 2,
        "shape": array.shape,
        "chunks": (rows, *array.shape[1:]),
        "dtype": array.dtype.str,
        "compressor": None if codec is None else codec.get_config(),
        "fill_value": 0,
        "order": "C",
        "filters": None,
    }
    path.mkdir(exist_ok=True)
    (path / ".zarray").write_text(json.dumps(described))
    for number, first in enumerate(range(0, len(array), rows)):
        chunk = np.ascontiguousarray(array[first : first + rows])
        data = chunk.tobytes() if codec is None else codec.encode(chunk)
        (path / ".".join([str(number), *["0"] * (array.ndim - 1)])).write_bytes(data)
