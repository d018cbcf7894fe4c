# SPDX-License-Identifier: Apache-2.0
"""Demonstrations of the scripted expert, as a dataset folder.

Layout of the folder: `episode_00000.npz` and so on, uncompressed, with

- `image_<camera>`: uint8 (T, height, width, 3), RGB, the observation at each tick
- `proprio`: float32 (T, 7), six joint angles (rad) and the gripper's width (m)
- `action`: float32 (T, 7), absolute setpoint at the tick's end: tcp position (m, base frame), rotation
  vector (rad, relative to tool-down), gripper width (m)
- `stamp_ns`: int64 (T,), simulated time, when the observation was taken and the tick began

and `dataset.json`, written last: a folder without it is not a dataset.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.data.dataset import FORMAT
from zprl_core.errors import DataError
from zprl_core.noise import Stream, generator
from zprl_core.provenance import Provenance
from zprl_core.run_folder import make_folder
from zprl_sim import dimensions as dim
from zprl_sim.executor import CODEC, encode, execute_tick
from zprl_sim.expert import Flaws, draw_intent, plan
from zprl_sim.judge import Judge, Outcome
from zprl_sim.layout import draw_layout
from zprl_sim.render import Renderer
from zprl_sim.rig import SimRig

REST_STEPS = 16
"""Ticks that a demonstration goes on after its last motion. Many more would only teach to hold still."""
Progress = Callable[[int, int, int], None]  # episodes done, episodes in all, successes so far


@dataclass(frozen=True)
class CollectConfig:
    """What a demonstration holds.

    Attributes:
        cameras: name -> (height, width) in pixels.
        horizon_steps: the most ticks a demonstration lasts; it ends REST_STEPS after the last motion.
        task, rig: names written into the dataset.
        lead_steps: L of the task; who trains with another one is refused.
        flaws: of the expert.
    """

    cameras: Mapping[str, tuple[int, int]] = field(default_factory=lambda: {"third_view": (96, 128)})
    horizon_steps: int = 168
    task: str = "place_orange"
    rig: str = "sim_xarm6"
    lead_steps: int = 0
    flaws: Flaws = field(default_factory=Flaws)


@dataclass(frozen=True, eq=False)
class Demonstration:
    """One episode: arrays by their name in the file, and its entry in dataset.json without "file"."""

    arrays: dict[str, NDArray[Any]]
    entry: dict[str, Any]


def episode_seed(seed: int, episode: int) -> int:
    """The layout's seed of one episode of a collection (or of an evaluation)."""
    return int(generator(seed, episode, 0, Stream.LAYOUT).integers(2**63))


class Collector:
    """Makes demonstrations one by one; it owns a rig and a renderer per image size."""

    def __init__(self, config: CollectConfig) -> None:
        self._config = config
        self._rig, self._judge = SimRig(), Judge()
        self._renderers = {size: Renderer(*size) for size in set(config.cameras.values())}

    def demonstrate(self, seed: int) -> Demonstration:
        """One demonstration on the layout of `seed`; it is kept whether it succeeds or not."""
        layout = draw_layout(seed)
        intent = draw_intent(layout, self._config.flaws, seed)
        setpoints = plan(layout, intent)
        state = self._rig.reset(layout)
        rows: dict[str, list[Any]] = {"proprio": [], "action": [], "stamp_ns": []}
        rows |= {f"image_{camera}": [] for camera in self._config.cameras}
        steps = min(self._config.horizon_steps, len(setpoints) + REST_STEPS)
        for tick in range(steps):
            goal = setpoints[min(tick, len(setpoints) - 1)]
            for camera, size in self._config.cameras.items():
                rows[f"image_{camera}"].append(self._renderers[size](state.qpos, camera))
            rows["proprio"].append(state.proprioception)
            rows["action"].append(encode(goal))
            rows["stamp_ns"].append(state.stamp_ns)
            execute_tick(self._rig, goal)
            state = self._rig.state()
        verdict = self._judge(state.qpos, state.qvel)
        types = {"proprio": np.float32, "action": np.float32, "stamp_ns": np.int64}
        arrays = {name: np.array(values, dtype=types.get(name, np.uint8)) for name, values in rows.items()}
        entry = {
            "steps": steps,
            "success": verdict.outcome is Outcome.SUCCESS,
            "seed": seed,
            "flaws": list(intent.flaws),
            "end": verdict.reason,
        }
        return Demonstration(arrays, entry)

    def close(self) -> None:
        """Frees the renderers."""
        for renderer in self._renderers.values():
            renderer.close()


def collect(
    out_dir: Path | str,
    episodes: int,
    seed: int,
    config: CollectConfig | None = None,
    *,
    workers: int = 2,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Writes a dataset folder and returns what its dataset.json holds.

    The files are the same for any number of workers. Each is written beside and renamed;
    dataset.json comes last.

    Args:
        out_dir: made if it does not exist.
        episodes: how many demonstrations, 1 or more.
        seed: of the collection; episode i takes its layout and the expert's flaws from (seed, i).
        config: cameras, horizon and flaws.
        workers: processes; 1 works in this one.
        overwrite: replace the dataset that is there.
        progress: called after every episode.

    Raises:
        DataError: fewer than one episode or worker, or a dataset that is there already.
    """
    config, folder = config or CollectConfig(), Path(out_dir)
    if episodes < 1 or workers < 1:
        raise DataError(f"collect: {episodes} episodes with {workers} workers; both must be 1 or more")
    _make_room(folder, overwrite)
    jobs = [(str(folder), index, episode_seed(seed, index), config) for index in range(episodes)]
    entries: list[dict[str, Any]] = []
    for entry in _run(jobs, workers):
        entries.append(entry)
        if progress is not None:
            progress(len(entries), episodes, sum(e["success"] for e in entries))
    header = _header(config, seed) | {"episodes": entries}
    _replace(folder / "dataset.json", (json.dumps(header, indent=1) + "\n").encode())
    return header


def _make_room(folder: Path, overwrite: bool) -> None:
    old = [path for path in (folder / "dataset.json", *sorted(folder.glob("episode_*.npz"))) if path.exists()]
    if old and not overwrite:
        raise DataError(
            f"{folder}: there is data already ({old[0].name}, {len(old)} files); "
            "choose another folder, or overwrite it with --overwrite"
        )
    make_folder(folder)
    for path in old:
        path.unlink()


def _header(config: CollectConfig, seed: int) -> dict[str, Any]:
    versions = {}
    for package in ("zprl", "mujoco", "numpy"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "format": FORMAT,
        "task": config.task,
        **Provenance(rig=config.rig).to_dict(),  # simulated time: no calibration, no delays
        "rate_hz": dim.TICK_HZ,
        "lead_steps": config.lead_steps,
        "cameras": {name: list(size) for name, size in config.cameras.items()},
        "proprio_dim": 7,
        "action_dim": CODEC.dim,
        "seed": seed,
        "expert": asdict(config.flaws),
        "versions": versions,
    }


def _run(jobs: list[tuple[str, int, int, CollectConfig]], workers: int) -> Iterator[dict[str, Any]]:
    """Entries in the order of the episodes."""
    if workers == 1:
        collector = Collector(jobs[0][3])
        try:
            for job in jobs:
                yield _write(collector, *job[:3])
        finally:
            collector.close()
        return
    # spawn: an OpenGL context must not be inherited by a forked process
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_work, jobs)


_collectors: dict[str, Collector] = {}  # of a worker process


def _work(job: tuple[str, int, int, CollectConfig]) -> dict[str, Any]:
    if job[0] not in _collectors:
        _collectors[job[0]] = Collector(job[3])
    return _write(_collectors[job[0]], *job[:3])


def _write(collector: Collector, folder: str, index: int, seed: int) -> dict[str, Any]:
    demonstration = collector.demonstrate(seed)
    path = Path(folder) / f"episode_{index:05d}.npz"
    partial = path.with_suffix(".partial")
    arrays: dict[str, Any] = demonstration.arrays
    with partial.open("wb") as file:
        np.savez(file, **arrays)
    partial.replace(path)
    return {"file": path.name} | demonstration.entry


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)
