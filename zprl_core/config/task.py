# SPDX-License-Identifier: Apache-2.0
"""A task: what is observed, what is commanded, what counts as success, and how it is learned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from zprl_core.config import loader
from zprl_core.config.benchmark import BenchmarkConfig
from zprl_core.config.evaluation import EvaluationConfig
from zprl_core.config.fields import setting
from zprl_core.config.learning import (
    BottleneckConfig,
    BudgetConfig,
    PolicyConfig,
    PretrainConfig,
    RLConfig,
)
from zprl_core.config.region import RegionConfig
from zprl_core.config.smoothness import SmoothnessConfig

Rotation = Literal["none", "rotvec", "rot6d", "quat"]
ROTATION_DIMS: dict[str, int] = {"none": 0, "rotvec": 3, "rot6d": 6, "quat": 4}
POLICY_KEYS = ("name", "rate_hz", "observation", "action", "policy")
"""Keys that a base checkpoint fixes: with another value it would mean something else."""


@dataclass(frozen=True)
class CameraView:
    """One camera as the policy sees it: uint8 RGB (height, width, 3), cropped before the encoder."""

    name: str = setting("of the rig's camera")
    height: int = setting("of the image", source="paper Tables VI, VII", unit="pixels", low=1)
    width: int = setting("of the image", source="paper Tables VI, VII", unit="pixels", low=1)
    crop_height: int = setting(
        "random in training, centred after", source="paper Tables VI, VII", unit="pixels", low=1
    )
    crop_width: int = setting(
        "random in training, centred after", source="paper Tables VI, VII", unit="pixels", low=1
    )

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        problems = []
        if self.crop_height > self.height:
            problems.append(("crop_height", f"{self.crop_height} is more than height = {self.height}"))
        if self.crop_width > self.width:
            problems.append(("crop_width", f"{self.crop_width} is more than width = {self.width}"))
        return problems


@dataclass(frozen=True, kw_only=True)
class ObservationConfig:
    """What the policy sees at a tick."""

    cameras: tuple[CameraView, ...] = setting("views, in the order of their embeddings")
    proprio_dim: int = setting("dim(q)", source="paper Tables VI, VII", low=0)
    steps: int = setting(
        "observations per chunk, newest last", default=1, source="paper Tables VI, VII", low=1, high=3
    )
    proprioception: Literal["joint_angles", "end_effector_pose", "state"] = setting(
        "what q is: poses in simulation, joint angles on robots, or a benchmark's state for images",
        default="joint_angles",
        source="paper Appendix",
    )
    lead_steps: int = setting(
        "L: ticks between the observation and its chunk's first waypoint", default=2, low=0
    )
    max_age_s: float = setting(
        "a sample older than this makes the snapshot fail", default=0.2, unit="s", above=0.0
    )

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        names = [camera.name for camera in self.cameras]
        doubled = sorted({name for name in names if names.count(name) > 1})
        problems = [("cameras", f"the name '{name}' stands twice") for name in doubled]
        if not names and self.proprio_dim == 0:
            problems.append(("cameras", "is empty and proprio_dim is 0: nothing is observed"))
        return problems


@dataclass(frozen=True, kw_only=True)
class ActionConfig:
    """One waypoint per tick, arm after arm: position m, rotation, gripper width m, in the arm's frame."""

    dim: int = setting("dim(a) per step", source="paper Tables VI, VII", low=1)
    chunk: int = setting("H: waypoints per chunk", source="paper Tables VI, VII", low=1)
    rotation: Rotation = setting("how a waypoint's rotation is written")
    repeat: int = setting("control steps per waypoint", default=1, source="paper Table VI", low=1)
    arms: int = setting("arms that one action moves", default=1, low=1)
    gripper: bool = setting("whether each arm's part ends with a gripper width", default=True)
    layout: Literal["end_effector", "joints"] = setting(
        "absolute end-effector poses, or joint targets (dexterous hands)", default="end_effector"
    )
    reference_quat_wxyz: tuple[float, float, float, float] = setting(
        "rotations are relative to this, so that rotvec stays far from its sign flip at pi",
        default=(1.0, 0.0, 0.0, 0.0),
        low=-1.0,
        high=1.0,
    )

    @property
    def chunk_ticks(self) -> int:
        """Ticks of a chunk."""
        return self.chunk * self.repeat

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        problems = []
        norm = math.sqrt(sum(x * x for x in self.reference_quat_wxyz))
        if abs(norm - 1.0) > 1e-6:
            problems.append(("reference_quat_wxyz", f"has norm {norm:.6f}, must be 1"))
        if self.layout == "joints":
            return problems
        rotation, gripper = ROTATION_DIMS[self.rotation], int(self.gripper)
        wanted = self.arms * (3 + rotation + gripper)
        if self.dim != wanted:
            parts = f"3 position + {rotation} rotation '{self.rotation}' + {gripper} gripper"
            problems.append(("dim", f"{self.dim} does not fit: {self.arms} arm(s) x ({parts}) = {wanted}"))
        return problems


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """Everything about a task that does not depend on the rig."""

    name: str = setting("of the task")
    description: str = setting("what the robot does")
    rate_hz: float = setting(
        "policy ticks per second", source="paper Table VII", unit="Hz", above=0.0, high=1000.0
    )
    horizon_steps: int = setting("longest episode", unit="ticks", low=1)
    success: str = setting("the test that ends an episode with r = 1")
    scene: str | None = setting(
        "what lies before the arms; an arm with driver sim has place_orange only. null: not said",
        default=None,
    )
    observation: ObservationConfig = setting("what the policy sees")
    action: ActionConfig = setting("what it commands")
    policy: PolicyConfig = setting("the base policy's network")
    bottleneck: BottleneckConfig = setting("the steering interface")
    pretrain: PretrainConfig = setting("imitation")
    rl: RLConfig = setting("online learning")
    budget: BudgetConfig = setting("how much data")
    evaluation: EvaluationConfig = setting("measurements", factory=EvaluationConfig)
    region: RegionConfig = setting("where the objects lie at an episode's start", factory=RegionConfig)
    smoothness: SmoothnessConfig = setting(
        "when an episode's motion is called rough", factory=SmoothnessConfig
    )
    reset: Literal["manual", "automatic", "teleoperated"] = setting(
        "on a robot, once the arms are home: a person lays the objects out and begins; the episode begins by "
        "itself; a person may move the arms first, which then go home again",
        default="manual",
    )
    dense_reward: bool = setting(
        "rewards at every step instead of 1 at success", default=False, source="paper Appendix"
    )
    benchmark: BenchmarkConfig | None = setting(
        "the simulator of a task of the paper's section V-A; null: the task has a rig", default=None
    )
    smaller_than_paper: str = setting("what is smaller than the paper's, empty when nothing is", default="")

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        problems = []
        if self.rl.clamp_targets and self.dense_reward:
            problems.append(
                ("rl.clamp_targets", "true is refused with dense_reward: returns are not in [0, 1]")
            )
        if self.rl.human_chunks == "invert" and self.action.rotation == "none":
            problems.append(("rl.human_chunks", "invert needs poses to compare; action.rotation is none"))
        if self.observation.lead_steps > self.action.chunk:
            lead, chunk = self.observation.lead_steps, self.action.chunk
            problems.append(("observation.lead_steps", f"{lead} is more than action.chunk = {chunk}"))
        if self.horizon_steps < self.action.chunk:
            problems.append(
                ("horizon_steps", f"{self.horizon_steps} is less than action.chunk = {self.action.chunk}")
            )
        return problems

    @property
    def tick_s(self) -> float:
        """Seconds between ticks."""
        return 1.0 / self.rate_hz

    @property
    def waypoint_s(self) -> float:
        """Seconds between waypoints."""
        return self.tick_s * self.action.repeat

    @property
    def chunks_per_episode(self) -> int:
        """Chunks until the horizon; the last one may be cut."""
        return math.ceil(self.horizon_steps / self.action.chunk)

    def to_dict(self) -> dict[str, Any]:
        """Plain data with YAML's keys."""
        data: dict[str, Any] = loader.to_data(self)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "task") -> TaskConfig:
        """The inverse of `to_dict`; errors name `source`."""
        return loader.from_data(cls, data, loader.Place(lambda _key: source))

    def fingerprint(self, *keys: str) -> str:
        """Sixteen hex digits over the values at dotted keys, by default those that fix a base policy."""
        return loader.fingerprint(self.to_dict(), keys or POLICY_KEYS)

    def differences(self, other: TaskConfig, *keys: str) -> list[str]:
        """ "key: mine, other" for what differs, by default among the keys that fix a base policy."""
        return loader.differences(self.to_dict(), other.to_dict(), keys or POLICY_KEYS)
