# SPDX-License-Identifier: Apache-2.0
"""One arm of a rig: which it is, how it is reached, and what it may do. All lengths m, angles rad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zprl_core.config.fields import setting

ARM_JOINTS: dict[str, int] = {
    "lite6": 6,
    "xarm5": 5,
    "xarm6": 6,
    "xarm7": 7,
    "xarm850": 6,
    "fer": 7,
    "fr3": 7,
}
DRIVER_MODELS: dict[str, tuple[str, ...]] = {
    "sim": ("xarm6",),
    "xarm": ("lite6", "xarm5", "xarm6", "xarm7", "xarm850"),
    "franka": ("fer", "fr3"),
}
"""Which models a driver moves."""
DRIVER_GRIPPERS: dict[str, tuple[str, ...]] = {
    "sim": ("tongs",),
    "xarm": ("xarm_gripper", "robotiq_2f85"),
    "franka": ("franka_hand", "robotiq_2f85"),
}
"""Which grippers a driver knows."""
Vector3 = tuple[float, float, float]
REACH_M = 1.5
"""No arm here reaches farther from its base; upper bounds of other limits are what a tool or a joint of these
arms could do at most, with room for rigs whose limits are wider than their arms.
"""


@dataclass(frozen=True, kw_only=True)
class GripperConfig:
    """What is at the end of the arm, commanded by its width."""

    kind: Literal["tongs", "xarm_gripper", "robotiq_2f85", "franka_hand"] = setting("which gripper")
    min_width_m: float = setting("closed", default=0.0, unit="m", low=0.0, high=0.2)
    max_width_m: float = setting("open", unit="m", above=0.0, high=0.2)
    speed_m_s: float = setting("largest speed of the width", default=0.2, unit="m/s", above=0.0, high=0.6)
    force_n: float = setting("with which it grasps", default=20.0, unit="N", above=0.0, high=300.0)
    port: str | None = setting(
        "serial device of its RS-485 adapter; null: it is wired to the arm's own tool connector", default=None
    )

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        if self.min_width_m >= self.max_width_m:
            return [("min_width_m", f"{self.min_width_m} is not below max_width_m = {self.max_width_m}")]
        return []


@dataclass(frozen=True, kw_only=True)
class KeepOutConfig:
    """A box that the tool centre point may not enter, in the arm's base frame."""

    name: str = setting("for messages: what stands there")
    min_m: Vector3 = setting("corner (x, y, z)", unit="m", low=-REACH_M, high=REACH_M)
    max_m: Vector3 = setting("opposite corner (x, y, z)", unit="m", low=-REACH_M, high=REACH_M)

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        return _corner_problems(self.min_m, self.max_m)


@dataclass(frozen=True, kw_only=True)
class WorkspaceConfig:
    """Box that the tool centre point may not leave, and boxes that it may not enter. In the base frame."""

    min_m: Vector3 = setting("corner (x, y, z)", unit="m", low=-REACH_M, high=REACH_M)
    max_m: Vector3 = setting("opposite corner (x, y, z)", unit="m", low=-REACH_M, high=REACH_M)
    keep_out: tuple[KeepOutConfig, ...] = setting("boxes inside it that the tool may not enter", default=())
    outside: Literal["clamp", "refuse"] = setting(
        "a waypoint up to tolerance_m outside: bring it to the box's face, or refuse its chunk",
        default="clamp",
    )
    tolerance_m: float = setting(
        "farther outside than this a chunk is refused in any case", default=0.05, unit="m", low=0.0, high=0.1
    )

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        return _corner_problems(self.min_m, self.max_m)


@dataclass(frozen=True, kw_only=True)
class LimitsConfig:
    """Bounds that the bridge keeps between setpoints and between setpoint and arm."""

    linear_velocity_m_s: float = setting("of the tool centre point", unit="m/s", above=0.0, high=3.0)
    linear_acceleration_m_s2: float = setting("of the tool centre point", unit="m/s^2", above=0.0, high=50.0)
    linear_jerk_m_s3: float = setting(
        "of the tool centre point", default=3000.0, unit="m/s^3", above=0.0, high=50_000.0
    )
    angular_velocity_rad_s: float = setting("of the tool", unit="rad/s", above=0.0, high=8.0)
    angular_acceleration_rad_s2: float = setting("of the tool", unit="rad/s^2", above=0.0, high=300.0)
    angular_jerk_rad_s3: float = setting(
        "of the tool", default=12000.0, unit="rad/s^3", above=0.0, high=500_000.0
    )
    joint_velocity_rad_s: float = setting("of every joint", unit="rad/s", above=0.0, high=5.3)
    joint_margin_rad: float = setting(
        "distance kept from the model's joint limits", default=0.05, unit="rad", low=0.0, high=0.5
    )
    too_fast: Literal["clamp", "refuse"] = setting(
        "a chunk that asks for more speed: follow it at the limit, or refuse it", default="clamp"
    )
    jump_m: float = setting(
        "a chunk whose first waypoint is further than this from the present setpoint is refused",
        default=0.1,
        unit="m",
        above=0.0,
        high=0.2,
    )
    jump_rad: float = setting("the same for its rotation", default=0.8, unit="rad", above=0.0, high=1.6)
    tracking_m: float = setting(
        "the arm stops where its measured pose is farther than this from the setpoint",
        default=0.1,
        unit="m",
        above=0.0,
        high=0.2,
    )
    tracking_rad: float = setting("the same for its rotation", default=0.6, unit="rad", above=0.0, high=1.6)
    external_force_n: float | None = setting(
        "the arm stops where it reports a larger force at the tool; null: not watched",
        default=None,
        unit="N",
        above=0.0,
        high=200.0,
    )
    external_torque_nm: float | None = setting(
        "the arm stops where it reports a larger torque at the tool; null: not watched",
        default=None,
        unit="Nm",
        above=0.0,
        high=100.0,
    )
    link_distance_m: float = setting(
        "kept between links that are not neighbours, and from links to the table and to another arm",
        default=0.01,
        unit="m",
        low=0.0,
        high=0.3,
    )
    min_singular_value: float = setting(
        "of the Jacobian (m and rad): a waypoint nearer to a singularity is refused",
        default=0.02,
        low=0.0,
        high=0.5,
    )
    excluded_clamped_fraction: float = setting(
        "a chunk clamped in more than this share of its servo periods is not learned from",
        default=0.25,
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True, kw_only=True)
class HomingConfig:
    """The move to the start of an episode: straight up first, then joint by joint to the goal."""

    joints_rad: tuple[float, ...] = setting("where an episode starts", unit="rad", low=-6.2832, high=6.2832)
    velocity_rad_s: float = setting(
        "of the fastest joint on the way there", default=0.5, unit="rad/s", above=0.0, high=2.0
    )
    tolerance_rad: float = setting("how near counts as there", default=0.01, unit="rad", above=0.0, high=0.1)
    retract_m: float = setting(
        "how far up the tool goes first, as far as the workspace permits",
        default=0.1,
        unit="m",
        low=0.0,
        high=0.5,
    )
    retract_m_s: float = setting("speed of that", default=0.1, unit="m/s", above=0.0, high=0.5)
    gripper_width_m: float | None = setting(
        "to which the gripper opens at home; null: it keeps its width",
        default=None,
        unit="m",
        low=0.0,
        high=0.2,
    )


@dataclass(frozen=True, kw_only=True)
class ToolConfig:
    """What is screwed to the flange."""

    position_m: Vector3 = setting("of the tool centre point in the flange's frame", unit="m")
    rotvec_rad: Vector3 = setting("its rotation in the flange's frame", default=(0.0, 0.0, 0.0), unit="rad")
    radius_m: float = setting(
        "of the capsule around it, for distances", default=0.06, unit="m", above=0.0, high=0.3
    )
    mass_kg: float = setting("payload, gripper included", default=0.0, unit="kg", low=0.0, high=10.0)
    com_m: Vector3 = setting("its centre of mass in the flange's frame", default=(0.0, 0.0, 0.0), unit="m")


@dataclass(frozen=True, kw_only=True)
class PlacementConfig:
    """Where an arm's base stands in the rig's frame."""

    position_m: Vector3 = setting("of the base", default=(0.0, 0.0, 0.0), unit="m")
    rotvec_rad: Vector3 = setting("rotation of the base", default=(0.0, 0.0, 0.0), unit="rad")


@dataclass(frozen=True, kw_only=True)
class XArmConfig:
    """What the UFACTORY controller is told when the bridge connects."""

    streaming: Literal["cartesian", "joint"] = setting(
        "servo mode: poses (at most 100 Hz) or joint angles (at most 250 Hz)", default="cartesian"
    )
    collision_sensitivity: int = setting("0 (off) to 5 (most sensitive)", default=3, low=0, high=5)
    reduced_mode: bool = setting(
        "also set the controller's own fence and speed limits from workspace and limits", default=True
    )


@dataclass(frozen=True, kw_only=True)
class FrankaConfig:
    """What the Franka controller is told when the bridge connects."""

    realtime: Literal["enforce", "ignore"] = setting(
        "whether libfranka insists on a real-time kernel", default="ignore"
    )
    translational_stiffness: float = setting(
        "of the impedance", default=2000.0, unit="N/m", above=0.0, high=3000.0
    )
    rotational_stiffness: float = setting(
        "of the impedance", default=50.0, unit="Nm/rad", above=0.0, high=300.0
    )
    translational_clip_m: float = setting(
        "largest error that the impedance acts on", default=0.05, unit="m", above=0.0, high=0.1
    )
    rotational_clip_rad: float = setting(
        "the same for rotation", default=0.3, unit="rad", above=0.0, high=0.5
    )
    homing_stiffness: float = setting(
        "of the arm's first four joints on the way home; the wrist's get 40, 25 and 10 % of it",
        default=600.0,
        unit="Nm/rad",
        above=0.0,
        high=1000.0,
    )
    collision_torque_nm: float = setting(
        "torque at every joint that the controller takes for a collision",
        default=20.0,
        unit="Nm",
        above=0.0,
        high=100.0,
    )
    collision_force_n: float = setting(
        "force along every axis that the controller takes for a collision",
        default=20.0,
        unit="N",
        above=0.0,
        high=100.0,
    )


@dataclass(frozen=True, kw_only=True)
class ArmConfig:
    """One arm and the bridge that owns it."""

    name: str = setting("its ROS namespace is /arms/<name>")
    driver: Literal["sim", "xarm", "franka"] = setting("which driver moves it")
    model: Literal["lite6", "xarm5", "xarm6", "xarm7", "xarm850", "fer", "fr3"] = setting("which arm it is")
    servo_rate_hz: float = setting("setpoints per second", unit="Hz", low=1.0, high=1000.0)
    homing: HomingConfig = setting("where an episode starts")
    workspace: WorkspaceConfig = setting("where the tool may be")
    limits: LimitsConfig = setting("how fast it may move")
    address: str | None = setting("of the controller box; null in simulation", default=None)
    serial: str | None = setting(
        "serial number of the controller, so that two arms cannot be swapped; null: not compared",
        default=None,
    )
    base_frame: str = setting("frame of poses and commands; empty: <name>_base", default="")
    base_in_rig: PlacementConfig = setting("where its base stands", factory=PlacementConfig)
    tool: ToolConfig | None = setting("null: the tool centre point is the flange", default=None)
    gripper: GripperConfig | None = setting("null: the tool does not open", default=None)
    watchdog_s: float = setting(
        "without a valid setpoint for this long the arm slows down and holds",
        default=0.2,
        unit="s",
        above=0.0,
        high=2.0,
    )
    lease_s: float = setting(
        "without a sign of life from the session for this long a moving arm slows down and holds",
        default=0.5,
        unit="s",
        above=0.0,
        high=5.0,
    )
    delay_s: float = setting(
        "from a setpoint's time to the same pose measured: by that much later the arm must be there",
        default=0.0,
        unit="s",
        low=0.0,
        high=1.0,
    )
    xarm: XArmConfig | None = setting("for driver xarm only; null: the defaults", default=None)
    franka: FrankaConfig | None = setting("for driver franka only; null: the defaults", default=None)

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
        models, grippers = DRIVER_MODELS[self.driver], DRIVER_GRIPPERS[self.driver]
        if self.model not in models:
            problems.append(("model", f"{self.model}: driver {self.driver} moves {', '.join(models)}"))
        if self.gripper is not None and self.gripper.kind not in grippers:
            known = ", ".join(grippers)
            problems.append(("gripper.kind", f"{self.gripper.kind}: driver {self.driver} knows {known}"))
        for name in ("xarm", "franka"):
            if getattr(self, name) is not None and self.driver != name:
                problems.append((name, f"has no meaning for driver {self.driver}, allowed: null"))
        return problems + self._rate_problems()

    def _rate_problems(self) -> list[tuple[str, str]]:
        if self.driver != "xarm":
            return []
        streaming = (self.xarm or XArmConfig()).streaming
        most = 100.0 if streaming == "cartesian" else 250.0
        if self.servo_rate_hz <= most:
            return []
        return [
            (
                "servo_rate_hz",
                f"{self.servo_rate_hz:g} Hz, the controller takes {most:g} Hz of {streaming} setpoints",
            )
        ]


def _corner_problems(low: Vector3, high: Vector3) -> list[tuple[str, str]]:
    return [
        ("min_m", f"{axis} = {a} is not below max_m's {b}")
        for axis, a, b in zip("xyz", low, high, strict=True)
        if a >= b
    ]
