"""What an arm's bridge tells: the arm's state, accounts of chunks, motion, calls to stop the rig, and of a
simulated arm the world.
"""

from __future__ import annotations

from collections.abc import Iterable

from std_msgs.msg import Header
from zprl_interfaces.msg import ArmState, ChunkReport, EpisodeMotion, ObserveDue, SimState, Stop

from zprl_arms import messages
from zprl_arms.admission import Report
from zprl_arms.controller import ArmController
from zprl_arms.driver import ArmReading, WorldState
from zprl_bringup import convert, qos
from zprl_bringup.node import LifecycleNode
from zprl_core.config import ArmConfig
from zprl_core.smoothness.episode import MotionRecord


class Outlets:
    """Publishers of one arm, and what they are given as messages.

    Args:
        node: that they belong to. config: of the arm. run_id: of the session. lockstep: simulated time, in
            which nothing may be lost. shadow: motors are off.
    """

    def __init__(
        self, node: LifecycleNode, config: ArmConfig, run_id: str, *, lockstep: bool, shadow: bool
    ) -> None:
        profile, root = qos.stream(lockstep), f"/arms/{config.name}"
        self._node, self._config, self._run_id, self._shadow = node, config, run_id, shadow
        self._states = node.create_publisher(ArmState, f"{root}/state", profile)
        self._reports = node.create_publisher(ChunkReport, f"{root}/report", profile)
        self._worlds = node.create_publisher(SimState, "/sim/state", profile)
        self._dues = node.create_publisher(ObserveDue, "/rig/observe", profile)
        self._stops = node.create_publisher(Stop, "/rig/stop", qos.status())
        self._motions = node.create_publisher(EpisodeMotion, f"{root}/motion", qos.changes())

    def destroy(self) -> None:
        """Take them from the node."""
        for publisher in (
            self._states,
            self._reports,
            self._worlds,
            self._dues,
            self._stops,
            self._motions,
        ):
            self._node.destroy_publisher(publisher)

    def state(self, stamp_ns: int, reading: ArmReading, controller: ArmController) -> None:
        """Where the arm is, where it was told to be, and who has it."""
        message = messages.arm_state(stamp_ns, self._config, reading, controller)
        message.shadow = self._shadow
        self._states.publish(message)

    def reports(self, stamp_ns: int, dim: int, reports: Iterable[Report]) -> None:
        """Accounts of chunks of waypoints of `dim` numbers; a refused one is in the log too."""
        name, frame = self._config.name, self._config.frame
        for report in reports:
            if report.refused:
                self._node.get_logger().warning(f"arm '{name}' refuses {report.reason}")
            self._reports.publish(messages.chunk_report(stamp_ns, frame, name, dim, report))

    def world(
        self, stamp_ns: int, episode: int, world: WorldState, *, observed: bool, chunk_end: int
    ) -> None:
        """Of a simulated arm: what is around it."""
        state = messages.sim_state(stamp_ns, episode, world, observed=observed, chunk_end=chunk_end)
        self._worlds.publish(state)

    def due(self, stamp_ns: int, episode: int, chunk: int, chunk_start_ns: int) -> None:
        """In simulated time: a chunk is to be planned from what is seen now."""
        self._dues.publish(messages.observe_due(stamp_ns, episode, chunk, chunk_start_ns))

    def stop(self, stamp_ns: int, source: str, reason: str) -> Header:
        """All arms of the rig shall stop. Returns the call's header, by which its echo is known."""
        header = convert.header(stamp_ns, self._config.frame)
        self._stops.publish(Stop(header=header, source=source, reason=reason))
        return header

    def motion(self, record: MotionRecord, over_ns: int) -> None:
        """How an episode's motion was."""
        self._motions.publish(messages.episode_motion(over_ns, self._config.frame, self._run_id, record))
