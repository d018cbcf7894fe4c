# SPDX-License-Identifier: Apache-2.0
"""Demonstrations of the scripted expert, as a dataset folder (see `zprl_core.data.writing`).

The arrays of an episode:

- `image_<camera>`: RGB, the observation at each tick
- `proprio`: (T, 7), six joint angles (rad) and the gripper's width (m)
- `action`: (T, 7), absolute setpoint at the tick's end: tcp position (m, base frame), rotation
  vector (rad, relative to tool-down), gripper width (m)
- `stamp_ns`: simulated time since the demonstration began, when the observation was taken and the tick began
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zprl_core.data.episode import Episode, EpisodeInfo, Header, image_key
from zprl_core.data.reading import read_index
from zprl_core.data.writing import DatasetWriter
from zprl_core.errors import DataError
from zprl_core.noise import Stream, generator
from zprl_core.provenance import Provenance
from zprl_core.versions import package_version
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


def episode_seed(seed: int, episode: int) -> int:
    """The layout's seed of one episode of a collection (or of an evaluation)."""
    return int(generator(seed, episode, 0, Stream.LAYOUT).integers(2**63))


class Collector:
    """Makes demonstrations one by one; it owns a rig and a renderer per image size."""

    def __init__(self, config: CollectConfig) -> None:
        self._config = config
        self._rig, self._judge = SimRig(), Judge()
        self._renderers = {size: Renderer(*size) for size in set(config.cameras.values())}

    def demonstrate(self, seed: int) -> Episode:
        """One demonstration on the layout of `seed`; it is kept whether it succeeds or not."""
        layout = draw_layout(seed)
        intent = draw_intent(layout, self._config.flaws, seed)
        setpoints = plan(layout, intent)
        state = self._rig.reset(layout)
        rows: dict[str, list[Any]] = {"proprio": [], "action": [], "stamp_ns": []}
        rows |= {image_key(camera): [] for camera in self._config.cameras}
        steps = min(self._config.horizon_steps, len(setpoints) + REST_STEPS)
        for tick in range(steps):
            goal = setpoints[min(tick, len(setpoints) - 1)]
            for camera, size in self._config.cameras.items():
                rows[image_key(camera)].append(self._renderers[size](state.qpos, camera))
            rows["proprio"].append(state.proprioception)
            rows["action"].append(encode(goal))
            rows["stamp_ns"].append(tick * 1_000_000_000 // dim.TICK_HZ)  # not the rig's: one goes on for all
            execute_tick(self._rig, goal)
            state = self._rig.state()
        verdict = self._judge(state.qpos, state.qvel)
        info = EpisodeInfo(
            length=steps,
            outcome="success" if verdict.outcome is Outcome.SUCCESS else "failure",
            source=f"layout seed {seed}",
            label_author="judge",
            facts={"seed": seed, "flaws": list(intent.flaws), "end": verdict.reason},
        )
        return Episode(
            images={name: np.array(rows[image_key(name)], dtype=np.uint8) for name in self._config.cameras},
            proprio=np.array(rows["proprio"], dtype=np.float32),
            action=np.array(rows["action"], dtype=np.float32),
            stamp_ns=np.array(rows["stamp_ns"], dtype=np.int64),
            info=info,
        )

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

    The files are the same for any number of workers. A collection that is cut off leaves nothing.

    Args:
        out_dir: made if it does not exist.
        episodes: how many demonstrations, 1 or more.
        seed: of the collection; episode i takes its layout and the expert's flaws from (seed, i).
        config: cameras, horizon and flaws.
        workers: processes; 1 works in this one.
        overwrite: replace the dataset that is there.
        progress: called when the first one begins, and after every one.

    Raises:
        DataError: fewer than one episode or worker, or a dataset that is there already.
    """
    config, folder = config or CollectConfig(), Path(out_dir)
    if episodes < 1 or workers < 1:
        raise DataError(f"collect: {episodes} episodes with {workers} workers; both must be 1 or more")
    jobs = [(config, episode_seed(seed, index)) for index in range(episodes)]
    successes = 0
    with DatasetWriter(folder, _header(config, seed), overwrite=overwrite) as writer:
        if progress is not None:
            progress(0, episodes, 0)
        for episode in _run(jobs, workers):
            writer.add(episode)
            successes += episode.info.success
            if progress is not None:
                progress(len(writer), episodes, successes)
    return read_index(folder)


def _header(config: CollectConfig, seed: int) -> Header:
    facts = {"seed": seed, "expert": asdict(config.flaws)}
    versions = {package: package_version(package) for package in ("zprl", "mujoco", "numpy")}
    return Header(
        task=config.task,
        rate_hz=dim.TICK_HZ,
        lead_steps=config.lead_steps,
        cameras=config.cameras,
        proprio_dim=7,
        action_dim=CODEC.dim,
        action=CODEC,
        provenance=Provenance(rig=config.rig),  # simulated time: no calibration, no delays
        facts={**facts, "versions": versions},
    )


def _run(jobs: list[tuple[CollectConfig, int]], workers: int) -> Iterator[Episode]:
    """Demonstrations in the order of the episodes."""
    if workers == 1:
        collector = Collector(jobs[0][0])
        try:
            for _, seed in jobs:
                yield collector.demonstrate(seed)
        finally:
            collector.close()
        return
    # spawn: an OpenGL context must not be inherited by a forked process
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        waiting: deque[Future[Episode]] = deque()
        try:
            for job in jobs:  # pictures are large: no more are made ahead than the workers need
                waiting.append(_submit(pool, job))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _submit(pool: ProcessPoolExecutor, job: tuple[CollectConfig, int]) -> Future[Episode]:
    """Workers are started by it, which a terminal's Ctrl-C is not for: one that is hit while it hands an
    episode over would leave half of it in the pipe.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(_work, job)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_collectors: list[Collector] = []  # of a worker process


def _work(job: tuple[CollectConfig, int]) -> Episode:
    if not _collectors:
        _collectors.append(Collector(job[0]))
    return _collectors[0].demonstrate(job[1])
