# SPDX-License-Identifier: Apache-2.0
"""Metaworld's tasks with absolute actions.

A waypoint is (x, y, z, effort): where the mocap body that drags the hand shall be, m in the world frame, and
the fingers' effort in [-1, 1], 1 closes. Metaworld's own action is the step towards it, at most 1 cm an axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import CameraView, TaskConfig
from zprl_core.config.loader import did_you_mean
from zprl_core.errors import ConfigError
from zprl_core.experiments.environments.packages import simulator
from zprl_core.experiments.environments.parts import join
from zprl_core.experiments.environments.protocol import Observation, Step

if TYPE_CHECKING:
    from zprl_core.experiments.environments.pictures import Pictures

CORNER, CORNER_M = "corner2", (0.75, 0.075, 0.7)
"""The view of most work on Metaworld from pictures, DrM's too: nearer than Metaworld has it. There it hangs
upside down; here it is turned upright.
"""
STEPS = 1_000_000
"""Metaworld's own horizon of 500 is lifted: the caller's counts."""


class MetaworldEnvironment:
    """A task of Metaworld v3, with its goal observable. Implements `Environment`.

    Args:
        task: whose `benchmark.environment` is a name of Metaworld's, such as "box-close-v3".

    Raises:
        ConfigError: Metaworld is missing or of another release, or knows no such environment.
    """

    def __init__(self, task: TaskConfig) -> None:
        assert task.benchmark is not None
        self._task = task
        self._simulator = _make(task.benchmark.environment)
        self._simulator.model.cam(CORNER).pos = CORNER_M
        self._pictures: Pictures | None = None

    def reset(self, seed: int) -> None:
        """Lay out the scene of this seed."""
        simulator = self._simulator
        simulator.seed(seed)
        self._seen, _ = simulator.reset()

    def observe(self) -> Observation:
        """What is seen now."""
        images = {view.name: self._frame(view) for view in self._task.observation.cameras}
        return Observation(images, join(self._task, self.state()))

    def step(self, action: NDArray[np.float32]) -> Step:
        """Execute one waypoint."""
        reward, success = 0.0, False
        for _ in range(self._task.action.repeat):
            towards = (action[:3] - self._simulator.data.mocap_pos[0]) / self._simulator.action_scale
            raw = np.clip(np.append(towards, action[3]), -1.0, 1.0).astype(np.float32)
            self._seen, dense, _, _, info = self._simulator.step(raw)
            success = success or bool(info["success"])
            reward += float(dense)
        return Step(reward if self._task.dense_reward else float(success), success)

    def state(self) -> Mapping[str, NDArray[Any]]:
        """The parts of Metaworld's own observation, and the hand's pose."""
        seen, data = self._seen, self._simulator.data
        return {
            "tool_position": seen[:3],
            "tool_quaternion": np.array(data.body("hand").xquat),
            "finger_positions": np.array([data.joint("r_close").qpos[0], data.joint("l_close").qpos[0]]),
            "finger_opening": seen[3:4],
            "object_position": seen[4:7],
            "object_quaternion": seen[7:11],
            "goal_position": seen[36:39],
            "target_position": np.array(data.mocap_pos[0]),
            "metaworld": seen,
        }

    def close(self) -> None:
        """Free OpenGL."""
        if self._pictures is not None:
            self._pictures.close()

    def _frame(self, view: CameraView) -> NDArray[np.uint8]:
        if self._pictures is None:
            from zprl_core.experiments.environments.pictures import Pictures

            assert self._task.benchmark is not None
            self._pictures = Pictures(self._simulator.model, shadows=self._task.benchmark.shadows)
        frame = self._pictures(self._simulator.data, view.name, view.height, view.width)
        return frame[::-1, ::-1].copy() if view.name == CORNER else frame


def _make(name: str) -> Any:
    known = simulator("metaworld").env_dict.ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE
    key = f"{name}-goal-observable"
    if key not in known:
        names = [each.removesuffix("-goal-observable") for each in known]
        raise ConfigError(f"benchmark.environment: Metaworld has no '{name}'{did_you_mean(name, names)}")
    made = known[key](seed=0)
    made._freeze_rand_vec, made.seeded_rand_vec = False, True  # a new layout at each reset, from `seed`
    made.max_path_length = STEPS
    return made
