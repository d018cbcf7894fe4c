# SPDX-License-Identifier: Apache-2.0
"""Robomimic's tasks in robosuite 1.5, with absolute actions.

A waypoint is, arm after arm, position (3, m), rotation (rot6d, 6) and gripper (1): where the *grip site*
between the fingertips shall be, in the **world** frame, as in Robomimic's data with absolute actions. The
gripper keeps robosuite's numbers, -1 opens and 1 closes; only the sign counts, and 0 holds.

The quaternion in q is that of the *hand*, a quarter turn about the tool's axis away from the grip site:
Robomimic's data have it so. `robot0_eef_quat_site` is the site's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zprl_core import transforms
from zprl_core.actions import ActionCodec
from zprl_core.config import TaskConfig
from zprl_core.config.loader import did_you_mean
from zprl_core.errors import ConfigError
from zprl_core.experiments.environments.packages import simulator
from zprl_core.experiments.environments.parts import join
from zprl_core.experiments.environments.protocol import Observation, Step
from zprl_core.experiments.environments.robomimic_state import parts

if TYPE_CHECKING:
    from zprl_core.experiments.environments.pictures import Pictures

ARMS = {"NutAssemblySquare": 1, "PickPlaceCan": 1, "TwoArmTransport": 2}
"""Arms of each environment."""
COLLISION_GROUP = 0
"""robosuite's shapes for collisions, which its own pictures leave out."""
OSC_POSE = {
    "type": "OSC_POSE",
    "kp": 150,
    "damping_ratio": 1,
    "impedance_mode": "fixed",
    "kp_limits": [0, 300],
    "damping_ratio_limits": [0, 10],
    "position_limits": None,
    "orientation_limits": None,
    "uncouple_pos_ori": True,
    "interpolation": None,
    "ramp_ratio": 0.2,
    "input_type": "absolute",
    "input_ref_frame": "world",  # as robosuite before 1.5 took them, and so Robomimic's data
    "input_max": 1,
    "input_min": -1,
    "output_max": [0.05, 0.05, 0.05, 0.5, 0.5, 0.5],
    "output_min": [-0.05, -0.05, -0.05, -0.5, -0.5, -0.5],
    "gripper": {"type": "GRIP"},
}
"""The controller of Robomimic's data, for absolute inputs, which it neither clips nor scales."""


class RobomimicEnvironment:
    """A task of Robomimic: Panda arms at the task's rate. Implements `Environment`.

    Args:
        task: whose `benchmark.environment` is a key of `ARMS`.

    Raises:
        ConfigError: robosuite is missing or of another release, knows no such environment or camera, or the
            task's actions are no poses of the environment's arms.
    """

    def __init__(self, task: TaskConfig) -> None:
        assert task.benchmark is not None
        self._task = task
        self._simulator = _make(task)
        self._codec = _codec(task)
        self._pictures: Pictures | None = None
        _check_cameras(task, self._simulator)
        for name in self._simulator.observation_names:  # computed 25 times a step, where nobody reads them
            self._simulator.modify_observable(name, "enabled", False)
            self._simulator.modify_observable(name, "active", False)

    def reset(self, seed: int) -> None:
        """Lay out the scene of this seed."""
        with _global_random(seed):
            self._simulator.reset()

    def observe(self) -> Observation:
        """What is seen now."""
        images = {
            view.name: self._frame(view.name, view.height, view.width)
            for view in self._task.observation.cameras
        }
        return Observation(images, join(self._task, self.state()))

    def step(self, action: NDArray[np.float32]) -> Step:
        """Execute one waypoint.

        Raises:
            DataError: a number that is not finite, a wrong length, or six numbers that are no rotation.
        """
        raw = osc_action(self._codec, action)
        reward, success = 0.0, False
        for _ in range(self._task.action.repeat):
            _, dense, _, _ = self._simulator.step(raw)
            success = success or bool(self._simulator._check_success())
            reward += float(dense)
        return Step(reward if self._task.dense_reward else float(success), success)

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Robomimic's observations by their names, see `robomimic_state`."""
        return parts(self._simulator)

    def close(self) -> None:
        """Free the simulator."""
        if self._pictures is not None:
            self._pictures.close()
            self._pictures = None
        self._simulator.close()

    def _frame(self, camera: str, height: int, width: int) -> NDArray[np.uint8]:
        from zprl_core.experiments.environments.pictures import Pictures

        sim = self._simulator.sim
        if self._pictures is None:
            assert self._task.benchmark is not None
            shadows = self._task.benchmark.shadows
            self._pictures = Pictures(sim.model._model, shadows=shadows, hidden_groups=(COLLISION_GROUP,))
        return self._pictures(sim.data._data, camera, height, width)


def osc_action(codec: ActionCodec, action: NDArray[Any]) -> NDArray[np.float64]:
    """One waypoint (da,) -> robosuite's action, 7 an arm: position (m), rotation vector (rad), gripper."""
    arms = codec.decode(np.asarray(action, dtype=np.float64)[None])
    each = []
    for arm in arms:
        assert arm.gripper_width is not None
        each += [arm.position[0], transforms.rotvec_from_quaternion(arm.quaternion[0]), arm.gripper_width]
    return np.concatenate(each)


def _codec(task: TaskConfig) -> ActionCodec:
    assert task.benchmark is not None
    action, arms = task.action, ARMS[task.benchmark.environment]
    place = f"task {task.name}: action"
    if action.arms != arms:
        raise ConfigError(f"{place}.arms: {action.arms}, but {task.benchmark.environment} has {arms}")
    if action.rotation == "none" or action.layout != "end_effector" or not action.gripper:
        raise ConfigError(
            f"{place}: rotation '{action.rotation}', layout '{action.layout}', gripper {action.gripper}; "
            f"{task.benchmark.environment} wants poses with a gripper: rotation rot6d, layout end_effector, "
            "gripper true"
        )
    return ActionCodec.from_config(action)


def _make(task: TaskConfig) -> Any:
    assert task.benchmark is not None
    name = task.benchmark.environment
    if name not in ARMS:
        raise ConfigError(f"benchmark.environment: Robomimic has no '{name}'{did_you_mean(name, list(ARMS))}")
    # It warns of optional packages, and sets its logger's level at import: only a filter lasts.
    logging.getLogger("robosuite_logs").addFilter(_only_errors)
    arm = {"type": "BASIC", "body_parts": {"right": OSC_POSE}}
    return simulator("robosuite").make(
        name,
        robots=["Panda"] * ARMS[name],
        env_configuration="opposed" if ARMS[name] == 2 else "default",
        controller_configs=[arm] * ARMS[name],
        control_freq=task.rate_hz,
        reward_shaping=task.dense_reward,
        ignore_done=True,  # the horizon is the caller's
        hard_reset=False,  # the model stays; a hard reset compiles it anew, which gives the same layout
        use_camera_obs=False,
        has_renderer=False,
        has_offscreen_renderer=False,  # ours draws only when asked, upright, without a screen
        renderer="mujoco",  # the other one would open a window's library
    )


def _check_cameras(task: TaskConfig, simulator: Any) -> None:
    known = simulator.sim.model.camera_names
    for view in task.observation.cameras:
        if view.name not in known:
            assert task.benchmark is not None
            problem = f"{task.benchmark.environment} has no camera '{view.name}'"
            raise ConfigError(f"observation.cameras: {problem}{did_you_mean(view.name, known)}")


def _only_errors(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


@contextmanager
def _global_random(seed: int) -> Iterator[None]:
    """robosuite 1.5 draws layouts from NumPy's global generator: seed it, and give it back as it was."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(np.random.SeedSequence(seed).generate_state(4))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
