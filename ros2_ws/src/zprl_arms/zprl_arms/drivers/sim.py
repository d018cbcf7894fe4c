"""The simulated xArm-6 of zprl_sim, whose physics live in the bridge's process."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from zprl_arms.driver import ArmReading, ResetWorld, WorldState
from zprl_core.config import ArmConfig, EvaluationConfig, RigConfig, TaskConfig
from zprl_core.config.region import RegionConfig
from zprl_core.errors import RigError
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose
from zprl_sim import dimensions
from zprl_sim.layout import draw_layout, preset_place
from zprl_sim.rig import RigState, SimRig
from zprl_sim.rig import Setpoint as SimSetpoint


class SimArm:
    """`SimulatedArm` on a `SimRig`."""

    streams_joints = False

    def __init__(self, task: TaskConfig | None = None) -> None:
        """
        Args:
            task: with its robustness cases and preset layouts; None: it has none.
        """
        self._rig = SimRig()
        self._evaluation = task.evaluation if task else EvaluationConfig()
        self._region = task.region if task else RegionConfig()
        self._state: RigState | None = None

    def connect(self, *, enable: bool = True) -> None:
        """Nothing to connect to."""

    def facts(self) -> Mapping[str, str]:
        """What it is."""
        return {"model": "MuJoCo twin of an xArm-6"}

    def read(self) -> ArmReading:
        """What the arm measures now."""
        state = self._now()
        pose = Pose(state.position, state.quaternion)
        return ArmReading(state.joints, state.joint_velocities, pose, state.gripper_width)

    def stream(
        self,
        setpoint: Setpoint,
        joint_position_rad: NDArray[np.float64] | None = None,
        begun_s: float | None = None,
    ) -> None:
        """Takes effect with the next `advance`, however late."""
        width = self._rig.setpoint.gripper_width if setpoint.gripper_width is None else setpoint.gripper_width
        self._rig.setpoint = SimSetpoint(setpoint.position, setpoint.quaternion, width)

    def halt(self, *, halted: bool) -> None:
        """Nothing goes on by itself."""

    def clear_fault(self) -> None:
        """A simulated arm has no faults of its own."""

    def close(self) -> None:
        """Nothing to let go of."""

    def reset(self, layout_seed: int, case_name: str = "") -> ResetWorld:
        """A new layout, the arm at its home."""
        case, place = self._evaluation.case(case_name), preset_place(self._region, layout_seed)
        self._state = self._rig.reset(draw_layout(layout_seed, case, place))
        held = self._rig.setpoint
        return ResetWorld(
            self._rig.layout.describe(), Setpoint(held.position, held.quaternion, held.gripper_width)
        )

    def advance(self) -> None:
        """One servo period of physics."""
        self._rig.servo(self._rig.setpoint)
        self._state = None

    def tool(self) -> Pose:
        """The tool centre point's pose now."""
        return Pose(*self._rig.tool())

    def world(self) -> WorldState:
        """The simulator's state."""
        state = self._now()
        return WorldState(state.qpos, state.qvel, self._rig.layout.scene.to_text())

    def _now(self) -> RigState:
        if self._state is None:
            self._state = self._rig.state()
        return self._state


def make(rig: RigConfig, task: TaskConfig | None, arm: ArmConfig) -> SimArm:
    """The driver of one arm of a rig; without a task it stages no robustness case.

    Raises:
        RigError: a rate or a world that the twin does not have.
    """
    scene = rig.simulation.scene if rig.simulation else None
    if scene != "place_orange" or len(rig.arms) != 1:
        raise RigError(
            f"rig {rig.name}: the twin is one arm in scene place_orange, not {len(rig.arms)} in {scene}"
        )
    if arm.servo_rate_hz != dimensions.SERVO_HZ:
        raise RigError(
            f"rig {rig.name}: arm '{arm.name}': servo_rate_hz: {arm.servo_rate_hz}, "
            f"the twin has {dimensions.SERVO_HZ}"
        )
    return SimArm(task)
