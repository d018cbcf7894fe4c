"""What one hand tells one arm: chunks that the arm's bridge takes as a person's. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from zprl_core.actions import ActionCodec
from zprl_core.config import ArmConfig, TaskConfig
from zprl_core.safety import ChunkCommand, lease_for, may_move
from zprl_core.teleop.clutch import Clutch, ClutchSettings, Grasp, HandSample
from zprl_core.teleop.way import Pace, way_to
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose

PERSON = "human"
_SHARE = 0.8  # of the arm's speeds that a hand may ask for: what comes on top is the bridge's blending
_AHEAD = 2  # ticks that a chunk goes on for at this speed before it slows down, should no other follow


@dataclass(frozen=True)
class Moment:
    """What is known when a chunk is due.

    Attributes:
        now_ns: ns.
        run_id, episode, session_state: of the session's newest state.
        told: where the arm was told to be last.
        fault: why the arm holds; empty where nothing stops it.
    """

    now_ns: int
    run_id: str
    episode: int
    session_state: str
    told: Setpoint
    fault: str = ""


class Pilot:
    """One hand and one arm.

    Args:
        arm: its configuration.
        task: whose action layout and times the chunks have.
        settings: of the clutch.
        demonstrated: no policy drives in this session.
        lead_s: from a chunk's making to its beginning.
    """

    def __init__(
        self,
        arm: ArmConfig,
        task: TaskConfig,
        settings: ClutchSettings,
        *,
        demonstrated: bool = False,
        lead_s: float = 0.02,
    ) -> None:
        self._frame, self._lead_ns = arm.frame, round(lead_s * 1e9)
        self._codec = ActionCodec.from_config(task.action).single_arm()
        self._waypoints, self._dt_s = task.action.chunk, task.waypoint_s
        self._lease = lease_for(reset_by_hand=task.reset == "teleoperated", demonstrated=demonstrated)
        gripper = arm.gripper
        self._grasp = None if gripper is None else Grasp(gripper.min_width_m, gripper.max_width_m)
        self._pace = _pace(arm, self._dt_s)
        self.clutch = Clutch(settings)
        self._trigger, self._chunk = 0.0, 0
        self._follows: Pose | None = None  # the target of the last chunk, until the clutch is open

    def on_hand(self, sample: HandSample, trigger: float, told: Setpoint) -> None:
        """The hand was seen.

        Args:
            sample: the newest.
            trigger: how far it is pressed, 0 to 1.
            told: where the arm is told to be.
        """
        closed = self.clutch.closed
        self.clutch.hand(sample, told.pose)
        self._trigger = trigger
        if self.clutch.closed and not closed and self._grasp is not None and told.gripper_width is not None:
            self._grasp.take(told.gripper_width)

    def command(self, moment: Moment) -> ChunkCommand | None:
        """The chunk that is due now; None where the hand moves nothing.

        The first one after the clutch has opened slows the arm down, and leaves its gripper where it is.
        `clutch` says why where it had to open.
        """
        problem = self._problem(moment)
        if self.clutch.closed and problem:
            self.clutch.open(problem)
        target = self.clutch.time(moment.now_ns).pose
        followed, self._follows = self._follows, target
        if target is not None:
            width_m = None if self._grasp is None else self._grasp.width_m(self._trigger)
            return self._toward(target, width_m, _AHEAD * self._dt_s, moment)
        if followed is None or problem:
            return None
        return self._toward(followed, None, self._lead_ns * 1e-9, moment)

    def _toward(self, target: Pose, width_m: float | None, free_s: float, moment: Moment) -> ChunkCommand:
        way = way_to(
            moment.told,
            target,
            width_m,
            pace=self._pace,
            waypoints=self._waypoints,
            dt_s=self._dt_s,
            free_s=free_s,
        )
        actions = self._codec.encode([way])
        self._chunk += 1
        return ChunkCommand(
            moment.run_id,
            moment.episode,
            self._chunk,
            moment.now_ns + self._lead_ns,
            self._dt_s,
            actions.shape[1],
            actions,
            PERSON,
            self._frame,
        )

    def _problem(self, moment: Moment) -> str:
        if moment.fault:
            return f"the arm holds: {moment.fault}"
        if not may_move(moment.session_state, PERSON, self._lease):
            return f"the session is {moment.session_state}: no motion by hand"
        return ""


def _pace(arm: ArmConfig, dt_s: float) -> Pace:
    """No faster than the arm may, nor than its bridge takes a chunk's first waypoint for a jump."""
    limits, gripper = arm.limits, arm.gripper
    linear = _SHARE * min(limits.linear_velocity_m_s, limits.jump_m / dt_s)
    angular = _SHARE * min(limits.angular_velocity_rad_s, limits.jump_rad / dt_s)
    brake_s = max(linear / limits.linear_acceleration_m_s2, angular / limits.angular_acceleration_rad_s2)
    return Pace(linear, angular, gripper.speed_m_s if gripper is not None else 1.0, brake_s)
