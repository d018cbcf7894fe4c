"""Copies of a point on a line, in place of a simulator: what an environment promises, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zprl_core.config import CameraView, TaskConfig
from zprl_core.experiments.cells import CellConfig, task_of
from zprl_core.experiments.environments.protocol import Observation, Step
from zprl_core.experiments.environments.vector import Execution, execute

GOAL, REACH = 1.0, 0.05
SMALL = {
    "horizon_steps": 12,
    "observation.proprio_dim": 3,
    "action.chunk": 2,
    "policy.unet_widths": [8, 8],
    "policy.step_embedding": 8,
    "bottleneck.latent_dim": 3,
    "bottleneck.hidden": 16,
    "rl.hidden": 16,
    "rl.batch_size": 8,
    "rl.warmup_chunks": 10,
    "evaluation.episodes": 5,
    "evaluation.every_chunks": 20,
    "budget.chunks": 60,
}


def small_task(**changes: object) -> TaskConfig:
    """A task of small networks for the point; changes: by dotted key with __ for the dots."""
    more = {key.replace("__", "."): value for key, value in changes.items()}
    return task_of(CellConfig(task="push_wall_state", method="zprl", set={**SMALL, **more}))


class Point:
    """A waypoint (4,) is where the point goes in x, y and z, at most 0.2 a step; success is near x = 1.

    Its cameras see a plain colour, which is where the point is.
    """

    def __init__(self, cameras: Sequence[CameraView] = ()) -> None:
        self.place, self.cameras = np.zeros(3), cameras

    def reset(self, seed: int) -> None:
        self.place = np.random.default_rng(seed).uniform(-0.2, 0.2, 3)

    def observe(self) -> Observation:
        colour = np.clip(128.0 + 100.0 * self.place, 0.0, 255.0).astype(np.uint8)
        images = {view.name: np.full((view.height, view.width, 3), colour) for view in self.cameras}
        return Observation(images, self.place.astype(np.float32))

    def step(self, action: np.ndarray) -> Step:
        self.place = self.place + np.clip(action[:3] - self.place, -0.2, 0.2)
        success = bool(abs(self.place[0] - GOAL) < REACH)
        return Step(float(success), success)

    def state(self) -> Mapping[str, np.ndarray]:
        return {"place": self.place}

    def close(self) -> None:
        pass


class Points:
    """Copies, as `VectorEnvironment` has them."""

    def __init__(self, count: int, cameras: Sequence[CameraView] = ()) -> None:
        self.count, self.abreast, self.copies = count, 1, [Point(cameras) for _ in range(count)]

    def reset(self, seeds: Mapping[int, int]) -> dict[int, Observation]:
        for copy, seed in seeds.items():
            self.copies[copy].reset(seed)
        return {copy: self.copies[copy].observe() for copy in seeds}

    def run(self, chunks: Mapping[int, np.ndarray]) -> dict[int, Execution]:
        return {copy: execute(self.copies[copy], actions) for copy, actions in chunks.items()}
