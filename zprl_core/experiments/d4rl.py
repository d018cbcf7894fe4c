# SPDX-License-Identifier: Apache-2.0
"""Reads D4RL's demonstrations of Adroit (Fu et al. 2020, `hand_dapg_v1/hammer-human-v1.hdf5` and its like).

    actions (N, da), timeouts (N,), terminals (N,)          control steps of all episodes, end to end
    infos/qpos (N, nq), infos/qvel (N, nv)                  the simulator's state before each of them
    infos/door_body_pos | board_pos | desired_orien         and of the task's object

Pictures, q, rewards and success are made anew: the simulator is put into each recorded state, looks, and
executes the recorded action. A row is a waypoint, `action.repeat` control steps: what is seen before it, and
the targets of its last one. Keys and layout are those that Farama's conversion of these files to Minari reads
(minari-dataset-generation-scripts).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.data.formats.edges import reading
from zprl_core.data.formats.library import open_hdf5
from zprl_core.data.formats.own import OwnHeader
from zprl_core.data.formats.source import Defaults, SourceEpisode
from zprl_core.errors import ConfigError, DataError
from zprl_core.experiments.environments.adroit import NAMES, AdroitEnvironment

Q, TARGETS = "q", "joint_targets"
OBJECTS = dict(zip(NAMES, ("door_body_pos", "board_pos", "desired_orien"), strict=True))
"""Beside qpos and qvel, what a task's state is told by."""


class D4rlSource:
    """One HDF5 file, opened for reading; a context manager. Implements `Source`.

    Args:
        path: of the file. task: of Adroit's: what is seen, and how often.

    Raises:
        ConfigError: the task is another simulator's, or h5py or the simulator is missing.
        DataError: no HDF5 file, cut off, of another layout, or of another task; names file and key.
    """

    def __init__(self, path: Path, task: TaskConfig) -> None:
        if task.benchmark is None or task.benchmark.suite != "adroit":
            raise ConfigError(f"--format d4rl: its files are of Adroit's tasks, task {task.name} is none")
        self.path, self._task = path, task
        self._object = OBJECTS[task.benchmark.environment]
        self._file = open_hdf5(path, "reading D4RL's HDF5")
        with contextlib.ExitStack() as opening:
            opening.callback(self._file.close)
            self._environment = AdroitEnvironment(task)
            opening.callback(self._environment.close)
            with reading(str(path)):
                self._bounds = self._episodes()
            self._closing = opening.pop_all()

    def __enter__(self) -> D4rlSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def __len__(self) -> int:
        return len(self._bounds)

    @property
    def rate_hz(self) -> float:
        """Control steps a second, as a benchmark task has it, whose waypoints are `action.repeat` of them."""
        return 1.0 / self._environment.control_s

    @property
    def own(self) -> OwnHeader | None:
        """It is another's."""
        return None

    def available(self) -> list[str]:
        """The task's cameras, q, and targets of the joints."""
        return [*(view.name for view in self._task.observation.cameras), Q, TARGETS]

    def defaults(self, task: TaskConfig) -> Defaults:
        """Nothing has to be chosen: all of it is made for this task."""
        cameras = {view.name: view.name for view in task.observation.cameras}
        return Defaults(cameras=cameras, proprio=(Q,), action=(TARGETS,), rotation="task")

    def check_actions(self, action: Sequence[str]) -> None:
        """Targets are absolute."""

    def episodes(self, images: Sequence[str], vectors: Sequence[str]) -> Iterator[SourceEpisode]:
        """Episodes in the file's order; one that the file's end cuts is left out."""
        for number, (begin, end) in enumerate(self._bounds):
            with reading(f"{self.path}: episode {number}"):
                rows = slice(begin, end)
                actions = self._file["actions"][rows]
                states = {name: self._file[f"infos/{name}"][rows] for name in ("qpos", "qvel", self._object)}
            for name, array in {"actions": actions, **states}.items():
                if not np.isfinite(array).all():
                    raise DataError(
                        f"{self.path}: episode {number}: {name} is not finite; leave the file out"
                    )
            yield self._played(f"episode {number}", actions, states)

    def _played(self, name: str, actions: NDArray[Any], states: dict[str, NDArray[Any]]) -> SourceEpisode:
        environment, repeat = self._environment, self._task.action.repeat
        seen, targets, rewards, success = [], [], [], False
        for begin in range(0, len(actions) - len(actions) % repeat, repeat):
            reward = 0.0
            for step in range(begin, begin + repeat):
                environment.recall({key: array[step].astype(np.float64) for key, array in states.items()})
                if step == begin:
                    seen.append(environment.observe())
                done = environment.step_raw(actions[step])
                reward, success = reward + done.reward, success or done.success
            targets.append(environment.targets.from_raw(np.clip(actions[begin + repeat - 1], -1.0, 1.0)))
            rewards.append(reward)
        return SourceEpisode(
            name=name,
            images={key: np.stack([each.images[key] for each in seen]) for key in seen[0].images},
            vectors={Q: np.stack([each.proprio for each in seen]), TARGETS: np.stack(targets)},
            stamp_ns=np.rint(np.arange(len(seen)) * 1e9 * repeat * environment.control_s).astype(np.int64),
            rewards=np.array(rewards, np.float32),
            outcome="success" if success else "failure",
        )

    def _episodes(self) -> list[tuple[int, int]]:
        """First control step and one behind the last of each."""
        wanted = {
            "actions": self._environment.sizes["action"],
            "infos/qpos": self._environment.sizes["qpos"],
            "infos/qvel": self._environment.sizes["qvel"],
            f"infos/{self._object}": None,
            "timeouts": None,
        }
        for key, size in wanted.items():
            if key not in self._file:
                raise DataError(f"{self.path}: has no '{key}': it is no file of D4RL's for {self._task.name}")
            if size is not None and self._file[key].shape[1:] != (size,):
                raise DataError(
                    f"{self.path}: '{key}' has {self._file[key].shape[1:]} numbers a step, "
                    f"task {self._task.name} has {size}: it is another task's"
                )
        over = self._file["timeouts"][()].astype(bool)
        if "terminals" in self._file:
            over |= self._file["terminals"][()].astype(bool)
        ends = (np.flatnonzero(over) + 1).tolist()
        repeat = self._task.action.repeat
        return [(a, b) for a, b in zip([0, *ends], ends, strict=False) if b - a >= repeat]
