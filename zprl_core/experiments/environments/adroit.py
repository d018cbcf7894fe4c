# SPDX-License-Identifier: Apache-2.0
"""Adroit's tasks with absolute joint targets.

A waypoint (da,) holds, in the order of the actuators (arm first, then the hand's 24), the position where each
joint would rest under no load, rad (m for the arm's slide). Gymnasium's action in [-1, 1] is an affine map of
the actuators' control range, and a control is a target only up to a gain: the arm's actuators rest at 2.5
times their control, beyond what their joints can reach, which is how the arm pushes.

Dense rewards are gymnasium_robotics' own. Those of its door and hammer add a tenth of the palm's distance
from the handle, which the first Adroit's subtract: at most 0.1 a control step, where an open door earns 20.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.config.loader import did_you_mean
from zprl_core.errors import ConfigError
from zprl_core.experiments.environments.packages import simulator
from zprl_core.experiments.environments.parts import join
from zprl_core.experiments.environments.protocol import Observation, Step

if TYPE_CHECKING:
    from zprl_core.experiments.environments.pictures import Pictures

Vector = NDArray[np.float64]
HAND = 24
"""Joints of the hand with its wrist; what precedes them is the arm."""
NAMES = ("AdroitHandDoor-v1", "AdroitHandHammer-v1", "AdroitHandPen-v1")
"""What the parts of the state are known for; rewards of other versions differ."""


class JointTargets:
    """Between joint targets (da,), rad or m, and gymnasium's action (da,) in [-1, 1].

    Args:
        model: MuJoCo's, of position actuators: force = gain * control - stiffness * position.
    """

    def __init__(self, model: Any) -> None:
        low, high = model.actuator_ctrlrange.T
        stretch = -model.actuator_gainprm[:, 0] / model.actuator_biasprm[:, 1]
        self.middle: Vector = stretch * (high + low) / 2
        self.half: Vector = stretch * (high - low) / 2

    def to_raw(self, target: NDArray[Any]) -> Vector:
        """Gymnasium's action, cut to [-1, 1]."""
        return np.clip((np.asarray(target, np.float64) - self.middle) / self.half, -1.0, 1.0)

    def from_raw(self, raw: NDArray[Any]) -> Vector:
        """The joint targets that an action of gymnasium's stands for."""
        return self.middle + self.half * np.asarray(raw, np.float64)


class AdroitEnvironment:
    """A task of Adroit's. Implements `Environment`.

    Args:
        task: whose `benchmark.environment` is one of `NAMES`.

    Raises:
        ConfigError: gymnasium_robotics is missing or of another release, the environment is unknown, or
            action.dim is not the number of its actuators.
    """

    def __init__(self, task: TaskConfig) -> None:
        assert task.benchmark is not None
        self._task, self._name = task, task.benchmark.environment
        self._simulator = _make(task)
        self._model, self._data = self._simulator.model, self._simulator.data
        self.targets = JointTargets(self._model)
        self._joints = self._model.actuator_trnid[:, 0]
        self._pictures: Pictures | None = None

    def reset(self, seed: int) -> None:
        """Lay out the scene of this seed."""
        self._simulator.reset(seed=seed)

    def observe(self) -> Observation:
        """What is seen now."""
        images = {
            view.name: self._frame(view.name, view.height, view.width)
            for view in self._task.observation.cameras
        }
        return Observation(images, join(self._task, self.state()))

    def step(self, action: NDArray[np.float32]) -> Step:
        """Execute one waypoint."""
        raw = self.targets.to_raw(action)
        steps = [self.step_raw(raw) for _ in range(self._task.action.repeat)]
        success = any(each.success for each in steps)
        return Step(
            sum(each.reward for each in steps) if self._task.dense_reward else float(success), success
        )

    def step_raw(self, raw: NDArray[Any]) -> Step:
        """One control step with gymnasium's action (da,) in [-1, 1]; its reward is the dense one."""
        _, dense, _, _, info = self._simulator.step(raw)
        return Step(float(dense), bool(info["success"]))

    def recall(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Put the simulator into a state of gymnasium_robotics' `get_env_state`."""
        known = self._simulator.get_env_state()  # what is told beside the state is not set by it
        self._simulator.set_env_state({**known, **state})

    @property
    def control_s(self) -> float:
        """A control step, s."""
        return float(self._simulator.dt)

    @property
    def sizes(self) -> dict[str, int]:
        """Numbers of an action, and of the simulator's positions and velocities."""
        return {"action": self._model.nu, "qpos": self._model.nq, "qvel": self._model.nv}

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Joints, palm and the task's objects: rad, m, s; positions and directions in the world frame."""
        angles = self._data.qpos[self._model.jnt_qposadr[self._joints]]
        rates = self._data.qvel[self._model.jnt_dofadr[self._joints]]
        arm = len(self._joints) - HAND
        common = {
            "joint_angles": angles,
            "arm_angles": angles[:arm],
            "hand_angles": angles[arm:],
            "joint_velocities": rates,
            "arm_velocities": rates[:arm],
            "hand_velocities": rates[arm:],
            "palm_position": self._site("S_grasp"),
        }
        return common | {NAMES[0]: self._door, NAMES[1]: self._hammer, NAMES[2]: self._pen}[self._name]()

    def close(self) -> None:
        """Free the renderer."""
        if self._pictures is not None:
            self._pictures.close()
            self._pictures = None

    def _door(self) -> dict[str, Vector]:
        handle = self._site("S_handle")
        return {
            "latch_angle": np.array(self._data.joint("latch").qpos),
            "latch_velocity": np.array(self._data.joint("latch").qvel),
            "hinge_angle": np.array(self._data.joint("door_hinge").qpos),
            "hinge_velocity": np.array(self._data.joint("door_hinge").qvel),
            "frame_position": np.array(self._data.body("frame").xpos),
            "handle_position": handle,
            "palm_to_handle": handle - self._site("S_grasp"),
        }

    def _hammer(self) -> dict[str, Vector]:
        hammer, head, nail = self._data.body("Object"), self._site("tool"), self._site("S_target")
        return {
            "hammer_position": np.array(hammer.xpos),
            "hammer_quaternion": np.array(hammer.xquat),  # w, x, y, z
            "hammer_velocity": self._data.qvel[-6:].copy(),
            "head_position": head,
            "nail_position": nail,
            "nail_depth": np.array(self._data.joint("nail_dir").qpos),
            "nail_to_goal": self._site("nail_goal") - nail,
            "palm_to_hammer": hammer.xpos - self._site("S_grasp"),
            "head_to_nail": nail - head,
        }

    def _pen(self) -> dict[str, Vector]:
        pen = np.array(self._data.body("Object").xpos)
        axis = _unit(self._site("object_top") - self._site("object_bottom"))
        goal = _unit(self._site("target_top") - self._site("target_bottom"))
        return {
            "pen_position": pen,
            "pen_axis": axis,
            "pen_velocity": self._data.qvel[-6:].copy(),
            "pen_to_goal": self._site("eps_ball") - pen,
            "goal_axis": goal,
            "axis_to_goal": goal - axis,
        }

    def _site(self, name: str) -> Vector:
        return np.array(self._data.site(name).xpos)

    def _frame(self, camera: str, height: int, width: int) -> NDArray[np.uint8]:
        if self._pictures is None:
            from zprl_core.experiments.environments.pictures import Pictures

            assert self._task.benchmark is not None
            self._pictures = Pictures(self._model, shadows=self._task.benchmark.shadows)
        return self._pictures(self._data, camera, height, width)


def _unit(vector: Vector) -> Vector:
    return vector / np.linalg.norm(vector)


def _make(task: TaskConfig) -> Any:
    simulator("gymnasium_robotics")  # which registers its environments with gymnasium
    assert task.benchmark is not None
    name = task.benchmark.environment
    if name not in NAMES:
        raise ConfigError(
            f"benchmark.environment: there is no Adroit task '{name}'{did_you_mean(name, NAMES)}"
        )
    # unwrapped: the caller counts the horizon, not gymnasium's limit of 200 control steps
    made = import_module("gymnasium").make(name, reward_type="dense", disable_env_checker=True).unwrapped
    if made.model.nu != task.action.dim:
        raise ConfigError(
            f"task {task.name}: action.dim is {task.action.dim}, {name} has {made.model.nu} actuators; "
            f"set action.dim: {made.model.nu}"
        )
    return made
