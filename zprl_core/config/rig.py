# SPDX-License-Identifier: Apache-2.0
"""A rig: the arms, cameras and limits of one cell. All lengths m, angles rad, frames named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from zprl_core.config import loader
from zprl_core.config.fields import setting
from zprl_core.config.task import TaskConfig
from zprl_core.errors import ConfigError

ARM_JOINTS: dict[str, int] = {"xarm6": 6, "xarm7": 7, "fer": 7, "fr3": 7}


@dataclass(frozen=True, kw_only=True)
class GripperConfig:
    """What is at the end of the arm, commanded by its width."""

    kind: Literal["tongs", "robotiq_2f85", "franka_hand"] = setting("which gripper")
    min_width_m: float = setting("closed", default=0.0, unit="m", low=0.0)
    max_width_m: float = setting("open", unit="m", above=0.0)
    speed_m_s: float = setting("largest speed of the width", default=0.2, unit="m/s", above=0.0)

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        if self.min_width_m >= self.max_width_m:
            return [("min_width_m", f"{self.min_width_m} is not below max_width_m = {self.max_width_m}")]
        return []


@dataclass(frozen=True, kw_only=True)
class WorkspaceConfig:
    """Box that the tool centre point may not leave, in the arm's base frame."""

    min_m: tuple[float, float, float] = setting("corner (x, y, z)", unit="m")
    max_m: tuple[float, float, float] = setting("opposite corner (x, y, z)", unit="m")

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        axes = zip("xyz", self.min_m, self.max_m, strict=True)
        return [
            ("min_m", f"{axis} = {low} is not below max_m's {high}")
            for axis, low, high in axes
            if low >= high
        ]


@dataclass(frozen=True, kw_only=True)
class LimitsConfig:
    """Bounds that the bridge keeps between setpoints."""

    linear_velocity_m_s: float = setting("of the tool centre point", unit="m/s", above=0.0)
    linear_acceleration_m_s2: float = setting("of the tool centre point", unit="m/s^2", above=0.0)
    angular_velocity_rad_s: float = setting("of the tool", unit="rad/s", above=0.0)
    angular_acceleration_rad_s2: float = setting("of the tool", unit="rad/s^2", above=0.0)
    joint_velocity_rad_s: float = setting("of every joint", unit="rad/s", above=0.0)
    jump_m: float = setting(
        "a chunk whose first waypoint is further than this from the present setpoint is refused",
        default=0.1,
        unit="m",
        above=0.0,
    )
    jump_rad: float = setting("the same for its rotation", default=0.8, unit="rad", above=0.0)
    excluded_clamped_fraction: float = setting(
        "a chunk clamped in more than this share of its servo periods is not learned from",
        default=0.25,
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True, kw_only=True)
class HomingConfig:
    """The move to the start of an episode."""

    joints_rad: tuple[float, ...] = setting("where an episode starts", unit="rad", low=-6.2832, high=6.2832)
    velocity_rad_s: float = setting(
        "of the fastest joint on the way there", default=0.5, unit="rad/s", above=0.0
    )
    tolerance_rad: float = setting("how near counts as there", default=0.01, unit="rad", above=0.0)


@dataclass(frozen=True, kw_only=True)
class ArmConfig:
    """One arm and the bridge that owns it."""

    name: str = setting("its ROS namespace is /arms/<name>")
    driver: Literal["sim", "xarm", "franka"] = setting("which bridge moves it")
    model: Literal["xarm6", "xarm7", "fer", "fr3"] = setting("which arm it is")
    servo_rate_hz: float = setting("setpoints per second", unit="Hz", above=0.0, high=1000.0)
    homing: HomingConfig = setting("where an episode starts")
    workspace: WorkspaceConfig = setting("where the tool may be")
    limits: LimitsConfig = setting("how fast it may move")
    address: str | None = setting("of the controller box; null in simulation", default=None)
    base_frame: str = setting("frame of poses and commands; empty: <name>_base", default="")
    gripper: GripperConfig | None = setting("null: the tool does not open", default=None)
    watchdog_s: float = setting(
        "without a valid setpoint for this long the arm slows down and holds",
        default=0.2,
        unit="s",
        above=0.0,
    )

    @property
    def joints(self) -> int:
        """How many joints the model has."""
        return ARM_JOINTS[self.model]

    @property
    def frame(self) -> str:
        """Frame of poses and commands."""
        return self.base_frame or f"{self.name}_base"

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        problems = []
        if len(self.homing.joints_rad) != self.joints:
            given = len(self.homing.joints_rad)
            problems.append(("homing.joints_rad", f"has {given} joints, {self.model} has {self.joints}"))
        if self.driver == "sim" and self.address is not None:
            problems.append(("address", f"{self.address!r} has no meaning for driver sim, allowed: null"))
        if self.driver != "sim" and not self.address:
            problems.append(("address", f"is required for driver {self.driver}: the controller's IP address"))
        return problems


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """One camera and the driver that reads it."""

    name: str = setting("its images are /cameras/<name>/image in frame camera_<name>")
    driver: Literal["sim", "realsense", "v4l2"] = setting("what reads it")
    width: int = setting("as delivered by the driver, before the task's resize", unit="pixels", low=1)
    height: int = setting("as delivered by the driver, before the task's resize", unit="pixels", low=1)
    rate_hz: float = setting("frames per second", unit="Hz", above=0.0, high=1000.0)
    serial: str | None = setting("serial number or device path; null in simulation", default=None)
    delay_s: float = setting(
        "d: a snapshot at t takes the newest frame with stamp <= t - d",
        default=0.0,
        unit="s",
        low=0.0,
        high=1.0,
    )

    @property
    def topic(self) -> str:
        """Where its images go."""
        return f"/cameras/{self.name}/image"

    @property
    def frame(self) -> str:
        """Frame of its images."""
        return f"camera_{self.name}"

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        if self.driver != "sim" and not self.serial:
            return [("serial", f"is required for driver {self.driver}: which device it is")]
        return []


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """The world behind the `sim` drivers."""

    scene: Literal["place_orange"] = setting("which world of zprl_sim")
    physics_dt_s: float = setting("physics step", unit="s", above=0.0, high=0.02)
    lockstep: bool = setting(
        "advance only when everyone is done (true) or with the wall clock (false)", default=True
    )


@dataclass(frozen=True, kw_only=True)
class RigConfig:
    """Everything about a cell that does not depend on the task."""

    name: str = setting("of the rig")
    description: str = setting("what stands in the cell")
    arms: tuple[ArmConfig, ...] = setting("in the order of the action's parts")
    cameras: tuple[CameraConfig, ...] = setting("all cameras; a task picks from them by name")
    proprioception: tuple[str, ...] = setting(
        "q in order, each <arm>/joint_position_rad or <arm>/gripper_width_m"
    )
    proprioception_delay_s: float = setting("d of the joint stream", default=0.0, unit="s", low=0.0, high=1.0)
    dds_profile: str = setting(
        "Fast DDS profile of a single-host rig, a file of zprl_bringup", default="single_host_shm"
    )
    simulation: SimulationConfig | None = setting("null: a real cell", default=None)

    @property
    def simulated(self) -> bool:
        """Whether nothing real moves."""
        return self.simulation is not None

    @property
    def proprio_dim(self) -> int:
        """dim(q) that this rig delivers."""
        joints = {arm.name: arm.joints for arm in self.arms}
        return sum(
            joints[p.split("/")[0]] if p.endswith("joint_position_rad") else 1 for p in self.proprioception
        )

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        problems = []
        for key, things in (("arms", self.arms), ("cameras", self.cameras)):
            found = [thing.name for thing in things]
            problems += [
                (key, f"the name '{n}' stands twice") for n in sorted(set(found)) if found.count(n) > 1
            ]
        if not self.arms:
            problems.append(("arms", "is empty, needs at least one arm"))
        streams = [f"{arm.name}/joint_position_rad" for arm in self.arms]
        streams += [f"{arm.name}/gripper_width_m" for arm in self.arms if arm.gripper]
        for index, stream in enumerate(self.proprioception):
            if stream not in streams:
                problem = f"unknown stream '{stream}'{loader.did_you_mean(stream, streams)}"
                problems.append((f"proprioception[{index}]", problem))
        return problems + self._simulation_problems()

    def _simulation_problems(self) -> list[tuple[str, str]]:
        drivers = {arm.driver for arm in self.arms} | {camera.driver for camera in self.cameras}
        if self.simulation is None:
            return [("simulation", "is required: a driver is 'sim'")] if "sim" in drivers else []
        problems = []
        if drivers != {"sim"}:
            others = ", ".join(sorted(drivers - {"sim"}))
            problems.append(
                ("simulation", f"is set, and {others} is not simulated: a cell is one or the other")
            )
        for index, arm in enumerate(self.arms):
            substeps = 1.0 / (arm.servo_rate_hz * self.simulation.physics_dt_s)
            if abs(substeps - round(substeps)) > 1e-6 * substeps:
                problems.append(
                    (
                        f"arms[{index}].servo_rate_hz",
                        f"{substeps:.3f} physics steps per servo period, must be whole",
                    )
                )
        return problems

    def to_dict(self) -> dict[str, Any]:
        """Plain data with YAML's keys."""
        data: dict[str, Any] = loader.to_data(self)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "rig") -> RigConfig:
        """The inverse of `to_dict`; errors name `source`."""
        return loader.from_data(cls, data, loader.Place(lambda _key: source))

    def arm(self, name: str) -> ArmConfig:
        """The arm of that name.

        Raises:
            ConfigError: there is none.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        hint = loader.did_you_mean(name, [arm.name for arm in self.arms])
        raise ConfigError(f"rig {self.name} has no arm '{name}'{hint}")

    def camera(self, name: str) -> CameraConfig:
        """The camera of that name.

        Raises:
            ConfigError: there is none.
        """
        for camera in self.cameras:
            if camera.name == name:
                return camera
        hint = loader.did_you_mean(name, [camera.name for camera in self.cameras])
        raise ConfigError(f"rig {self.name} has no camera '{name}'{hint}")


def check_pair(rig: RigConfig, task: TaskConfig) -> None:
    """Whether this task can run on this rig.

    Raises:
        ConfigError: names the key of the task and of the rig that do not fit each other.
    """
    who = f"task {task.name} does not fit rig {rig.name}"
    for view in task.observation.cameras:
        rig.camera(view.name)
    if task.action.layout != "end_effector":
        raise ConfigError(
            f"{who}: action.layout: {task.action.layout!r} is for dexterous hands, allowed: end_effector"
        )
    if task.action.arms != len(rig.arms):
        raise ConfigError(f"{who}: action.arms: {task.action.arms}, the rig has {len(rig.arms)}")
    for arm in rig.arms:
        if task.action.gripper and arm.gripper is None:
            raise ConfigError(f"{who}: action.gripper: true, arm '{arm.name}' has none")
        periods = arm.servo_rate_hz / task.rate_hz
        if periods < 1 or abs(periods - round(periods)) > 1e-9:
            raise ConfigError(
                f"{who}: rate_hz: arm '{arm.name}' has {periods:g} servo periods per tick, must be whole"
            )
    if task.observation.proprio_dim != rig.proprio_dim:
        wanted, given = task.observation.proprio_dim, rig.proprio_dim
        raise ConfigError(f"{who}: observation.proprio_dim: {wanted}, the rig's proprioception has {given}")
