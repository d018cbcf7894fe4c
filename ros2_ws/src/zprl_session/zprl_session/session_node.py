"""The session's node: the state machine of `zprl_core.session` as one latched topic and two services.

It carries out what the machine asks for: resets of the world, lines in episodes.jsonl (on the disk before
the state that follows from them is announced), and the end of the run. Nothing else decides what state the
system is in.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Callable
from functools import partial

from std_msgs.msg import Header
from zprl_interfaces.msg import ArmState, ChunkReport, Correction, SessionState, Stop
from zprl_interfaces.srv import Label, SessionCommand, SimReset

from zprl_bringup import convert, qos
from zprl_bringup.claim import claim_domain
from zprl_bringup.node import Node, run
from zprl_core import layout as layouts
from zprl_core.errors import RigError, SessionError
from zprl_core.joined import JoinedReports
from zprl_core.plan import read_plan
from zprl_core.records import append_record
from zprl_core.session import (
    CorrectLabel,
    FinishRun,
    LedgerFile,
    RecordEpisode,
    ResetWorld,
    Session,
    SessionConfig,
    in_effect,
    record_outcomes,
)
from zprl_core.session.by_time import ChunksByTime
from zprl_core.session.scene_reset import ArmFailed, ResetDone, SceneReset, StopAsked
from zprl_core.session.unattended import FaultsInARow, Stall
from zprl_core.stops import is_arm, who_asked
from zprl_session import messages
from zprl_session.lease import Lease, LeasedLedger
from zprl_session.lifecycle import LifecycleManager
from zprl_session.readiness import Readiness

TICK_S = 0.05
LOOK_S = 1.0
SETTLE_S = 0.5
LISTEN_S = 0.5  # for another session, before this one asks anything of a node
COUNTDOWN_S = 3.0  # before real arms begin by themselves, or after they went home again
HALTED = ("stopped", "faulted")
BY_HAND = (ChunkReport.OVERRIDDEN, ChunkReport.TAKEN_OVER)
CUT = (*BY_HAND, ChunkReport.INTERRUPTED, ChunkReport.LABELLED, ChunkReport.SHADOW)
NOBODY = "session"


class SessionNode(Node):
    """Publishes /session/state; serves /session/label and /session/command."""

    def __init__(self) -> None:
        super().__init__("session_node")
        self._setup = self.setup()
        self._folder = self._setup.folder
        self._declare()
        self._claim = claim_domain(self.context.get_domain_id())
        arms = [arm.name for arm in self._setup.rig.arms]
        self._scene = SceneReset(self._setup.rig.arms)
        self._stall, self._faults = Stall(self._stall_s), FaultsInARow(self._most_faults)
        self._reports: JoinedReports[ChunkReport] = JoinedReports(arms)
        self._ids = itertools.count()
        self._sim_ns, self._settled_s = 0, time.monotonic()
        self._everybody = False
        self._lease: Lease | None = None
        if not self._setup.lockstep:
            signs = self.create_publisher(Header, "/session/lease", qos.status())
            run_id = self._setup.run_id
            self._lease = Lease(lambda: signs.publish(convert.header(self.now_ns(), run_id)), TICK_S)
        self._session = self._make_session()
        self._sequence = -1
        self._state = self.create_publisher(SessionState, "/session/state", qos.changes())
        self._corrections = self.create_publisher(Correction, "/session/correction", qos.changes())
        self.create_service(Label, "/session/label", self._on_label)
        self.create_service(SessionCommand, "/session/command", self._on_command)
        self._reset = self.create_client(SimReset, "/sim/reset")
        self.create_subscription(Stop, "/rig/stop", self._on_stop, qos.status())
        profile = qos.stream(self._setup.lockstep)
        for arm in arms:
            self.create_subscription(ChunkReport, f"/arms/{arm}/report", self._on_report, profile)
            if not self._setup.lockstep:  # there a fault shows in the report of the chunk that it interrupts
                self.create_subscription(ArmState, f"/arms/{arm}/state", partial(self._on_arm, arm), profile)
        self._publish()
        self.create_subscription(SessionState, "/session/state", self._on_any_session, qos.changes())
        self._manager: LifecycleManager | None = None
        self._listening = self.create_timer(LISTEN_S, self._manage)
        if self._lease is not None:
            self.create_timer(TICK_S, partial(self._on_tick, self._lease))
        else:
            self.create_timer(LOOK_S, self._look_for_a_standstill)

    def _declare(self) -> None:
        none: list[str] = []
        self._managed = self.parameter(
            "managed_nodes",
            none,
            "lifecycle nodes to configure and activate, in this order, before the start",
        )
        self._patience_s = self.parameter(
            "managed_timeout_s",
            120.0,
            "how long managed nodes, publishers and the judge may take to appear, s",
            low=1.0,
        )
        self._operator = self.parameter(
            "operator",
            False,
            "a person starts, labels late, undoes and clears; else the session goes on by itself",
        )
        self._judged = self.parameter("judge", True, "an automatic judge labels every episode")
        self._judge_window_s = self.parameter(
            "judge_window_s", 10.0, "with an operator: time for a label after the horizon, s", low=0.0
        )
        self._most_faults = self.parameter(
            "max_consecutive_faults", 5, "without an operator: faults in a row that end the run", low=1
        )
        self._limit_s = self.parameter(
            "demonstration_limit_s",
            0.0,
            "episodes are a person's, this long at most, s; 0: a policy's",
            low=0.0,
        )
        self._stall_s = self.parameter(
            "stall_s", 20.0, "real time: an episode without a finished chunk for so long is void, s", low=1.0
        )
        self._standstill_s = self.parameter(
            "standstill_s",
            300.0,
            "lockstep: an episode in which nothing happens for so long ends the run",
            low=1.0,
        )

    def _make_session(self) -> Session:
        task, simulated = self._setup.task, self._setup.rig.simulated
        by_hand = self._operator and (task.reset == "teleoperated" or self._limit_s > 0.0)
        steps = task.action.chunk_ticks
        self._by_time = ChunksByTime(steps * task.tick_s)
        limit = math.ceil(self._limit_s / (steps * task.tick_s))
        config = SessionConfig(
            run_id=self._setup.run_id,
            seed=self._setup.seed,
            plan=read_plan(self._folder.plan_file),
            horizon_chunks=limit or task.chunks_per_episode,
            chunk_steps=steps,
            lockstep=self._setup.lockstep and self._judged,  # a person does not clear every chunk
            judge_window_s=self._judge_window_s if self._operator else 0.0,
            undo_window_s=None if self._operator else 0.0,
            auto_begin=task.reset == "automatic" or (simulated and not by_hand),
            countdown_s=0.0 if simulated else COUNTDOWN_S,
            presets=tuple(preset.seed for preset in task.region.presets),
        )
        ledger = LedgerFile(self._folder.ledger_file)
        records = record_outcomes(self._folder.episodes_file, ledger.entries)
        answered = (entry.command_id for entry in in_effect(ledger.entries))
        leased = ledger if self._lease is None else LeasedLedger(ledger, self._lease)
        return Session(config, records, leased, answered)

    def _manage(self) -> None:
        """Nobody else was heard: bring the nodes up."""
        self.destroy_timer(self._listening)
        self._manager = LifecycleManager(
            self, self._managed, self._on_managed, self._give_up, self._patience_s
        )

    def _on_any_session(self, message: SessionState) -> None:
        """A session of another machine was there before: end before any node is asked for anything. (On one
        machine the claim tells, which does not wait for the discovery.)
        """
        other, mine = message.run_id, self._setup.run_id
        if other == mine or (self._manager is not None and self._manager.asked):
            return
        self.fail(
            RigError(
                f"another session, run {other}, has this ROS domain already (this is run {mine}): end "
                "that one, or give this one another ROS_DOMAIN_ID"
            )
        )

    def _on_managed(self) -> None:
        """All managed nodes are active; now everybody has to find each other."""
        self.get_logger().info(f"active: {', '.join(self._managed) or 'no managed nodes'}")
        settle_s = 0.0 if self._setup.lockstep else SETTLE_S  # there the last messages are kept
        self._readiness = Readiness(
            self, self._needs(), self._on_ready, self._give_up, patience_s=self._patience_s, settle_s=settle_s
        )

    def _needs(self) -> dict[str, Callable[[], bool]]:
        rig, task = self._setup.rig, self._setup.task
        topics = [f"/arms/{arm.name}/{topic}" for arm in rig.arms for topic in ("command", "state")]
        topics += [rig.camera(view.name).topic for view in task.observation.cameras]
        needs: dict[str, Callable[[], bool]] = {
            f"a publisher of {t}": partial(self._published, t) for t in (*topics, "/proprioception")
        }
        if self._judged and not self._operator:
            needs["a judge that calls /session/label"] = lambda: self.count_clients("/session/label") > 0
        return needs

    def _published(self, topic: str) -> bool:
        return self.count_publishers(topic) > 0

    def _on_ready(self) -> None:
        self._everybody = True
        self.get_logger().info("everybody is there")
        if not self._operator:
            self._do("start")
            self._settle()

    def _give_up(self, reason: str) -> None:
        """Something is broken for good: say so to everyone, and end."""
        self._session.fault(reason, self._now_ns())
        self._settle()
        self.fail(SessionError(reason))

    def _on_label(self, request: Label.Request, response: Label.Response) -> Label.Response:
        stamp_ns = convert.time_ns(request.stamp)
        if self._setup.lockstep:
            self._sim_ns = max(self._sim_ns, stamp_ns)
        answer = self._session.label(
            request.command_id, request.episode, request.chunk, request.label, request.author, self._now_ns()
        )
        response.accepted, response.reason = answer.accepted, answer.reason
        self._settle()
        return response

    def _on_command(
        self, request: SessionCommand.Request, response: SessionCommand.Response
    ) -> SessionCommand.Response:
        if request.command == "start" and not self._everybody:
            response.reason = "the session is still starting, not every node is there; try again in a moment"
            return response
        answer = self._session.command(
            request.command_id,
            request.episode,
            request.command,
            request.author,
            self._now_ns(),
            request.value,
        )
        response.accepted, response.reason = answer.accepted, answer.reason
        self._settle()
        return response

    def _on_report(self, report: ChunkReport) -> None:
        view = self._session.view
        mine = report.source == "policy" and report.episode == view.episode
        if not mine or view.state not in ("running", "paused"):
            return
        if report.status in BY_HAND:
            self._session.helped(report.episode, report.chunk)
        elif report.status == ChunkReport.SHADOW:
            self._session.shadowed(report.episode, report.chunk)
        cut = report.status in CUT
        if report.status == ChunkReport.EXECUTED or (cut and not self._setup.lockstep):
            # Its time is over; a chunk that a pause or a person cut short is not learned from.
            self._stall.progress(self._now_ns())
            if self._reports.add(report.arm, report.episode, report.chunk, report) is not None:
                self._session.chunk_ended(report.episode, report.chunk, self._now_ns())
        elif view.state == "running" and (asked := who_asked(report.reason.partition(": ")[2])) is not None:
            self._stop(asked)  # heard of here before the stop itself
        elif view.state == "running":
            self._fault(report.reason)  # what follows would start far from where the arm is
        self._settle()

    def _on_arm(self, arm: str, state: ArmState) -> None:
        """A new fault ends the episode; its end is nobody's business but the arm's."""
        halt = self._scene.on_arm(arm, messages.arm_seen(state), self._session.view.state)
        if isinstance(halt, StopAsked):
            self._stop(halt.author)
        elif isinstance(halt, ArmFailed):
            self._fault(halt.reason)
        else:
            self._go_on_resetting()
            if self._session.view.state == "ready" and self._scene.displaced:
                self._session.displaced(self._session.view.episode)

    def _on_stop(self, message: Stop) -> None:
        if not is_arm(message.source):
            self._stop(f"{message.source}: {message.reason}")

    def _stop(self, author: str) -> None:
        """Somebody stopped the arms and not the session: it waits for a person then, whoever labels."""
        self._scene.drop()
        self._session.command("", self._session.view.episode, "stop", author, self._now_ns())
        self._settle()

    def _on_tick(self, lease: Lease) -> None:
        lease.tick()
        state, now_ns = self._session.view.state, self._now_ns()
        if state == "resetting" and (late := self._scene.late(now_ns)):
            self._fault(late)
        if state != "running":
            self._stall.progress(now_ns)
        elif self._limit_s > 0.0:
            self._clear_by_time()
        if not self._operator and (stalled := self._stall.problem(now_ns)):
            self._fault(stalled)
        self._settle()

    def _clear_by_time(self) -> None:
        """A chunk of a demonstration ends when its time is over."""
        view, now_ns = self._session.view, self._now_ns()
        ended = self._by_time.ended(view.since_ns, view.cleared_chunk, now_ns)
        if ended > view.cleared_chunk:
            self._session.chunk_ended(view.episode, ended, now_ns)

    def _look_for_a_standstill(self) -> None:
        """In simulated time everybody waits for everybody: one message that is lost stops all of them."""
        if self._session.view.state not in ("resetting", "running"):
            self._settled_s = time.monotonic()
        elif time.monotonic() - self._settled_s > self._standstill_s:
            self._give_up(
                f"nothing has happened for {self._standstill_s:g} s (standstill_s): a node stands still or a "
                "message was lost; a training run goes on with --resume"
            )

    def _fault(self, reason: str) -> None:
        """The running episode cannot be finished. A person decides what then; without one the next one
        starts.
        """
        episode = self._session.view.episode
        self._scene.drop()
        self._session.fault(reason, self._now_ns())
        self._settle()
        if self._operator:
            return
        self.get_logger().warning(f"episode {episode} is void: {reason}")
        if enough := self._faults.on_fault(reason):
            self._give_up(enough)
            return
        self._do("clear")
        self._do("start")
        self._settle()

    def _do(self, command: str) -> None:
        self._session.command(
            f"{NOBODY}-{next(self._ids)}", self._session.view.episode, command, NOBODY, self._now_ns()
        )

    def _settle(self) -> None:
        """Carry out and announce what has changed, and do what is due by itself, until nothing is left."""
        self._settled_s = time.monotonic()
        while True:
            if self._session.view.state in HALTED:
                self._publish()  # before a disk is waited for
            finished = self._carry_out()
            self._publish()
            if finished:
                self.get_logger().info("the plan is finished")
                return
            if not self._session.elapse(self._now_ns()):
                return

    def _carry_out(self) -> bool:
        finished = False
        for effect in self._session.take_effects():
            if isinstance(effect, RecordEpisode):
                with contextlib.nullcontext() if self._lease is None else self._lease.waiting():
                    append_record(self._folder.episodes_file, effect.record)
                self._faults.on_record(void=effect.record.void)
            elif isinstance(effect, CorrectLabel):
                header = convert.header(self._now_ns())
                self._corrections.publish(messages.correction(header, self._setup.run_id, effect))
            elif isinstance(effect, ResetWorld):
                view = self._session.view
                self._scene.start(effect, view.sequence, view.layout, self._now_ns())
                self._go_on_resetting()
            elif isinstance(effect, FinishRun):
                finished = True
        return finished

    def _go_on_resetting(self) -> None:
        """Real arms go home by themselves while the session is resetting; then the objects are laid out."""
        while (step := self._scene.take_step()) is not None:
            if isinstance(step, ResetDone):
                self._stall.progress(self._now_ns())
                self._session.reset_done(step.episode, step.layout, self._now_ns())
                self._settle()
            else:
                self._lay_out(step)

    def _lay_out(self, effect: ResetWorld) -> None:
        """In a simulated world by a request, on a robot by words to a person."""
        simulation = self._setup.rig.simulation
        case = self._setup.task.evaluation.case(self._session.case)
        if simulation is not None and simulation.has_objects:
            name = "" if case is None else case.name
            request = SimReset.Request(episode=effect.episode, layout_seed=effect.layout_seed, case_name=name)
            self.call(self._reset, request, partial(self._on_world, effect))
            return
        region = self._setup.task.region
        layout = layouts.describe(layouts.draw(region, effect.layout_seed, case))
        if preset := region.preset(effect.layout_seed):
            layout = f"{preset.name}: {layout}"
        if case is not None:
            self.get_logger().info(f"episode {effect.episode}: case {case.name}: {case.description}")
        if self._setup.task.reset != "automatic":
            what = layout or "the objects"
            self.get_logger().info(
                f"episode {effect.episode}: the arms are home; lay out {what}; then command 'begin'"
            )
        self._scene.laid_out(effect, layout, self._now_ns())

    def _on_world(self, effect: ResetWorld, response: SimReset.Response) -> None:
        if not response.ok:
            self._give_up(f"the world cannot be reset: {response.reason}")
            return
        lead_ns = round(self._setup.task.observation.lead_steps * self._setup.task.tick_s * convert.SECOND_NS)
        self._sim_ns = convert.time_ns(response.start) + lead_ns
        self._scene.laid_out(effect, response.layout, self._now_ns())
        self._go_on_resetting()

    def _now_ns(self) -> int:
        """The session's clock: in lockstep the simulated time of what was seen last."""
        return self._sim_ns if self._setup.lockstep else self.now_ns()

    def _publish(self) -> None:
        view = self._session.view
        if view.sequence == self._sequence:
            return
        self._sequence = view.sequence
        self._state.publish(messages.session_state(convert.header(self._now_ns()), view))


def main() -> None:
    """Run the node."""
    run(SessionNode)


if __name__ == "__main__":
    main()
