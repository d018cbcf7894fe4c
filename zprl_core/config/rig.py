# SPDX-License-Identifier: Apache-2.0
"""A rig: the arms, cameras and limits of one cell. All lengths m, angles rad, frames named."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from zprl_core.config import loader
from zprl_core.config.arm import ArmConfig
from zprl_core.config.calibration import CalibrationConfig
from zprl_core.config.camera import CameraConfig
from zprl_core.config.compute import ComputeConfig
from zprl_core.config.fields import setting
from zprl_core.config.recording import RecordingConfig
from zprl_core.config.task import TaskConfig
from zprl_core.errors import ConfigError

SIMULATED_SCENE = "place_orange"
"""Of arms with driver sim."""


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """The world behind the `sim` drivers, or behind simulated controllers that a real driver talks to."""

    RETIRED: ClassVar[tuple[str, ...]] = ("physics_dt_s",)
    """Keys of earlier rigs, which runs and bags keep; nothing ever read them."""

    scene: Literal["place_orange", "bench"] = setting("which world of zprl_sim; bench: arms in empty space")
    lockstep: bool = setting(
        "advance only when everyone is done (true) or with the wall clock (false)", default=True
    )

    @property
    def has_objects(self) -> bool:
        """Whether a reset of the world lays something out."""
        return self.scene != "bench"


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
    table_m: float | None = setting(
        "height of the table in the rig's frame, which no link may touch; null: there is none",
        default=None,
        unit="m",
    )
    tool_distance_m: float = setting("kept between the tools of two arms", default=0.05, unit="m", low=0.0)
    simulation: SimulationConfig | None = setting("null: a real cell", default=None)
    recording: RecordingConfig = setting("how episodes are recorded", factory=RecordingConfig)
    compute: ComputeConfig = setting("what policy and learner are computed with", factory=ComputeConfig)
    calibration: CalibrationConfig | None = setting(
        "what `zprl doctor --measure` found; kept in calibrations/<rig>.yaml", default=None
    )

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
        for (i, one), (j, other) in itertools.combinations(enumerate(self.arms), 2):
            if one.address is not None and one.address == other.address:
                problems.append((f"arms[{j}].address", f"{other.address} is also the address of arms[{i}]"))
        streams = [f"{arm.name}/joint_position_rad" for arm in self.arms]
        streams += [f"{arm.name}/gripper_width_m" for arm in self.arms if arm.gripper]
        for index, stream in enumerate(self.proprioception):
            if stream not in streams:
                problem = (
                    f"unknown stream '{stream}', of none of the arms{loader.did_you_mean(stream, streams)}"
                )
                problems.append((f"proprioception[{index}]", problem))
        return problems + self._simulation_problems()

    def _simulation_problems(self) -> list[tuple[str, str]]:
        drivers = {arm.driver for arm in self.arms} | {camera.driver for camera in self.cameras}
        if self.simulation is None:
            return [("simulation", "is required: a driver is 'sim'")] if "sim" in drivers else []
        problems = []
        if self.simulation.lockstep and any(arm.driver != "sim" for arm in self.arms):
            problems.append(("simulation.lockstep", "true: only arms of driver sim have simulated time"))
        for index, arm in enumerate(self.arms):
            if arm.driver != "sim" and not _is_loopback(arm.address):
                problem = f"{arm.address}: a simulated controller has an address of this machine, 127.x.x.x"
                problems.append((f"arms[{index}].address", problem))
        return problems

    def calibrated(self, calibration: CalibrationConfig) -> RigConfig:
        """The rig with the delays that were measured.

        Raises:
            ConfigError: a camera or an arm that the rig does not have.
        """
        delays = {delay.name: delay.delay_s for delay in calibration.cameras}
        late = {delay.name: delay.delay_s for delay in calibration.arms}
        for name in delays:
            self.camera(name)
        for name in late:
            self.arm(name)
        return replace(
            self,
            cameras=tuple(replace(c, delay_s=delays.get(c.name, c.delay_s)) for c in self.cameras),
            arms=tuple(replace(arm, delay_s=late.get(arm.name, arm.delay_s)) for arm in self.arms),
            proprioception_delay_s=calibration.proprioception_delay_s,
            calibration=calibration,
        )

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
    if task.action.repeat != 1:
        raise ConfigError(
            f"{who}: action.repeat: {task.action.repeat} is for simulated benchmarks, allowed: 1; "
            "rate_hz is the rate of the waypoints"
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
    _check_lead(rig, task, who)
    if task.observation.proprio_dim != rig.proprio_dim:
        wanted, given = task.observation.proprio_dim, rig.proprio_dim
        raise ConfigError(f"{who}: observation.proprio_dim: {wanted}, the rig's proprioception has {given}")
    if task.scene not in (None, SIMULATED_SCENE) and any(arm.driver == "sim" for arm in rig.arms):
        raise ConfigError(
            f"{who}: scene: {task.scene}, the simulated one is {SIMULATED_SCENE}; take a rig with real arms"
        )


def _check_lead(rig: RigConfig, task: TaskConfig, who: str) -> None:
    """The chunk that is planned from a snapshot must be there L ticks later."""
    measured, lead = rig.calibration, task.observation.lead_steps
    if measured is None or measured.planning_s <= lead * task.tick_s or lead == 0:
        return
    needed = math.ceil(measured.planning_s / task.tick_s)
    raise ConfigError(
        f"{who}: observation.lead_steps: {lead}, but planning takes {measured.planning_s:.3f} s there "
        f"(calibration {measured.id}): needs {needed}, in the task of the demonstrations too; 0 lets the arm "
        "wait for each plan"
    )


def _is_loopback(address: str | None) -> bool:
    return address is not None and address.startswith("127.")
