"""The policy node: runs the frozen flow policy, steered, and hands its transitions to the learner.

What is planned and learned when is `zprl_core.agent.EpisodeAgent`'s business; this node brings it snapshots,
reports, labels and actor versions, and carries out what it says is due. It commands something only while it
is active and the session is running.

In lockstep a snapshot is due when the bridge says so, and in replay when the player does. In real time the
node ticks at the task's rate, and chunk k is observed L ticks before its first waypoint. A chunk whose actor
comes too late starts at the tick after it (a stall, counted), while the arm holds; one that is later than the
arms' watchdog allows is observed again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from std_srvs.srv import Trigger
from zprl_interfaces.msg import (
    ActionChunk,
    ChunkReport,
    Correction,
    ObserveDue,
    PlannedChunk,
    SessionState,
    SteeringStatus,
)
from zprl_interfaces.srv import Update

from policy_node import guarded, messages
from policy_node.beside import Beside
from policy_node.frames import Frames
from policy_node.hearing import Hearing
from policy_node.observer import Observer
from policy_node.schedule import Schedule
from policy_node.trace import Trace
from zprl_bringup import convert, qos
from zprl_bringup.node import LifecycleNode, run
from zprl_bringup.ticks import GridTimer
from zprl_core.agent import ChunkReport as ReportOfChunk
from zprl_core.agent import (
    EpisodeAgent,
    SendBarrier,
    SendChunk,
    SendCorrection,
    SendInversion,
    SendTransition,
)
from zprl_core.arithmetic import use_threads
from zprl_core.base import load_base
from zprl_core.errors import ConfigError, DataError
from zprl_core.grid import TickGrid
from zprl_core.joined import JoinedReports
from zprl_core.observation import first_tick
from zprl_core.rl.learner import load_actor
from zprl_core.run_folder import RunFolder
from zprl_core.runtime import PolicyRuntime
from zprl_core.snapshot import SnapshotError
from zprl_core.steering.guard import Guard
from zprl_core.steering.inversion import Inversion

_NO_CHUNK = -1  # whose version nothing waits for
WITHOUT_DIGITS = str.maketrans("", "", "0123456789")
EPISODE_KNOWN = ("resetting", "ready", "running")
UNDOABLE = ("labelled", "judging", "paused")
"""Session states in which an outcome is not final yet."""


class PolicyNode(LifecycleNode):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__("policy_node")
        self._setup = self.setup()
        self._base = self.parameter("base", "", "checkpoint of the base policy")
        self._actor = self.parameter(
            "actor", "", "run folder or learner's checkpoint with the actor for 'steer'; empty: the learner's"
        )
        self._learns = self.parameter("learner", True, "a learner takes transitions and corrections")
        self._replay = self.parameter("replay", False, "observations come from bags, when the player asks")
        self._asked = self._setup.lockstep or self._replay  # for observations, or by the clock
        self._active = False
        self._session: SessionState | None = None
        self._due: dict[tuple[int, int], ObserveDue] = {}
        self._start_ns: dict[int, int] = {}
        self._observed_ns: dict[int, int] = {}
        self._schedule: Schedule | None = None
        self._flushed = -1
        self._begun = (-1, 0)
        self._held, self._told = "", SteeringStatus()
        self._late = (-1, -1)  # episode and chunk of the last that was
        self._guarded, self._taken_up = False, False
        self._encode_s = 0.0

    def configure(self) -> None:
        """Load the policy and open every topic."""
        setup = self._setup
        use_threads(setup.rig.compute.threads)
        if setup.run_dir is None:
            raise ConfigError("policy_node: parameter run_dir is empty; name the folder of the run")
        if setup.task.rl.lambda_ is None:
            raise ConfigError(
                f"task {setup.task.name}: rl.lambda is null; the task file of a run has a number"
            )
        model, _, _ = load_base(Path(self._base), setup.task)
        base = model.digest()
        self._runtime = PolicyRuntime(
            model, setup.task, setup.task.rl.lambda_, setup.rig.compute, self.get_logger().info
        )
        if model.latents is None:
            self.get_logger().warning(
                f"{self._base}: no distribution of its latents, so their Mahalanobis distance is not known; "
                f"add it by `zprl pretrain --latents {self._base} --data DIR --task ... --out CKPT`"
            )
        if self._actor:
            self._runtime.set_actor(*load_actor(Path(self._actor), setup.task, base))
        self._agent = EpisodeAgent(
            self._runtime,
            setup.seed,
            lockstep=self._asked,
            max_chunks=None if self._replay else setup.task.chunks_per_episode,
            learner=not self._actor,
            guard=Guard(setup.task.rl.guard),
            invert=setup.task.rl.human_chunks == "invert",
        )
        self._warm_up()
        self._open()
        self._beside = Beside(self, setup.rig.compute.threads)
        self._trace = Trace(setup.run_dir, self._runtime.backend)

    def activate(self) -> None:
        """Plan from here on."""
        self._active = True
        self._advance()

    def deactivate(self) -> None:
        """Plan nothing; the bridge's watchdog holds the arm."""
        self._active = False

    def cleanup(self) -> None:
        """Refused: what was opened is closed with the process."""
        raise ConfigError("policy_node is configured once: end the process and start it anew")

    def shut_down(self) -> None:
        """Write what is known."""
        if hasattr(self, "_trace"):
            self._beside.close()
            self._trace.frames(self._frames.counts)
            self._trace.close()
            if self._replay and self._setup.run_dir is not None:
                RunFolder(self._setup.run_dir).write_stats("observed", self._observer.kept)

    def _open(self) -> None:
        setup = self._setup
        profile = qos.replayed() if self._replay else qos.stream(setup.lockstep)
        arms = [arm.name for arm in setup.rig.arms]
        self._arms = {arm.name: arm for arm in setup.rig.arms}
        self._reports: JoinedReports[ReportOfChunk] = JoinedReports(arms)
        self._chunks = {
            name: self.create_publisher(ActionChunk, f"/arms/{name}/command", profile) for name in arms
        }
        self._hearing = Hearing(self, self._chunks)
        for name in arms:
            self.create_subscription(ChunkReport, f"/arms/{name}/report", self._on_report, profile)
        self._status = self.create_publisher(SteeringStatus, "/policy/status", qos.status())
        self._plans = self.create_publisher(PlannedChunk, "/policy/plan", profile)
        self._learner = self.create_client(Update, "/learner/update")
        self._frames = Frames(self._runtime.embed)
        self._observer = Observer(self, setup, profile, self._on_sample, ahead_of_time=self._replay)
        self.create_subscription(SessionState, "/session/state", self._on_session, qos.changes())
        self.create_subscription(Correction, "/session/correction", self._on_correction, qos.changes())
        if self._replay:
            self.create_service(Trigger, "/policy/forget", self._on_forget)
        if self._asked:
            self.create_subscription(ObserveDue, "/rig/observe", self._on_observe_due, profile)
        else:
            self._grid = TickGrid(setup.task.rate_hz)
            self._timer = GridTimer(self, self._grid, self._on_tick)

    @property
    def _runs(self) -> bool:
        """Whether chunks are asked for."""
        return self._active and self._session is not None and self._session.state == "running"

    def _warm_up(self) -> None:
        """Let every kernel allocate before the first episode counts on them."""
        observation = self._setup.task.observation
        images = {
            v.name: np.zeros((observation.steps, v.height, v.width, 3), np.uint8) for v in observation.cameras
        }
        proprio = np.zeros((observation.steps, observation.proprio_dim), np.float32)
        noise_z, noise_dz, w = (np.zeros(shape, np.float32) for shape in self._runtime.noise_shapes)
        for _ in range(3):
            c = self._runtime.encode(images, proprio)
            plan = self._runtime.plan("steer", c, self._runtime.base(c, noise_z, w), noise_dz, w)
        if self._setup.task.rl.human_chunks == "invert":  # the first search takes a second to load its tools
            other = self._runtime.plan("steer", c, plan.z, noise_dz, w + 1.0)
            self._runtime.explain(plan, other.actions.astype(np.float64), noise_z[None])

    def _on_session(self, message: SessionState) -> None:
        if message.run_id != self._setup.run_id:
            return
        self._session = message
        if message.state in EPISODE_KNOWN:
            self._take_up(message.episode)
        self._tell_agent(message)
        self._advance()

    def _take_up(self, episode: int) -> None:
        """The run's first episode is known: read what was planned before it, while nothing moves."""
        if not self._taken_up:
            self._agent.resume_guard(self._trace.rewind(episode))
            self._taken_up = True

    def _tell_agent(self, message: SessionState) -> None:
        self._agent.on_cleared(message.episode, message.cleared_chunk)
        self._agent.on_ending(message.episode, message.ending_chunk, message.outcome)
        if message.state not in UNDOABLE:
            self._agent.on_closed()

    def _on_correction(self, message: Correction) -> None:
        """Corrections go to the learner, where there is one, behind the transitions that they are about."""
        if message.run_id == self._setup.run_id and self._learns:
            self._send_update([], _NO_CHUNK, [message])

    def _begin_if_running(self, message: SessionState) -> None:
        """Begin the session's episode once the last one owes nothing."""
        if message.state != "running" or self._begun == self._place(message):
            return
        if self._agent.owes:
            if self._asked or self._agent.searches:
                return
            self.get_logger().warning(
                f"episode {self._agent.episode}: its ending was never observed, not learned"
            )
        self._begin(message)
        self._tell_agent(message)

    def _place(self, message: SessionState) -> tuple[int, int]:
        """What tells episodes apart; in replay two bags may hold one of the same number, or a part of it."""
        return message.episode, convert.time_ns(message.since) if self._replay else 0

    def _begin(self, message: SessionState) -> None:
        self._begun = self._place(message)
        self._agent.begin(message.episode, message.mode, message.cleared_chunk + 1 if self._replay else 0)
        self._due = {key: due for key, due in self._due.items() if key[0] >= message.episode}
        self._start_ns, self._observed_ns = {}, {}
        self._frames.clear()
        if not self._asked:
            task = self._setup.task
            first = first_tick(self._grid.index(self.now_ns()), task)
            ticks = task.action.chunk_ticks
            self._schedule = Schedule(first, task.observation.lead_steps, ticks)
            self._observer.begin_episode(self._grid.at(first))

    def _on_report(self, message: ChunkReport) -> None:
        if message.source != "policy":
            return
        limit = min(arm.limits.excluded_clamped_fraction for arm in self._arms.values())
        report = messages.chunk_report(message, limit)
        if report.spoiled:
            self.get_logger().warning(
                f"chunk {message.episode}/{message.chunk} is not learned from: {report.spoiled}"
            )
        joined = self._reports.add(message.arm, message.episode, message.chunk, report)
        if joined is not None:
            self._agent.on_report(message.episode, message.chunk, messages.worst(joined))
            self._advance()

    def _on_observe_due(self, message: ObserveDue) -> None:
        self._due[message.episode, message.chunk] = message
        self._advance()

    def _on_forget(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Samples of another bag, or from another place of this one, follow."""
        self._observer.forget()
        self._frames.clear()
        self._due.clear()
        response.success = True
        return response

    def _on_sample(self) -> None:
        if self._asked:
            self._advance()
        elif self._schedule and self._runs and not self._agent.over:
            self._frames.ahead(self._observer.settled(self._grid.at(self._schedule.observe_tick)))

    def _on_tick(self, tick: int, tick_ns: int) -> None:
        self._trace.tick((self.now_ns() - tick_ns) * 1e-9)
        schedule = self._schedule
        if schedule is None or not self._runs:
            return
        if deaf := self._hearing.deaf():
            self._hold(f"no bridge listens to arm {', '.join(deaf)}")
        elif self._agent.waiting is None and schedule.due(tick):
            chunk, observed = schedule.chunk, schedule.observing(tick)
            if self._observe(chunk, self._grid.at(observed)):
                self._start_ns[chunk] = self._grid.at(schedule.observed(observed))
        self._advance()

    def _advance(self) -> None:
        """Do all that is due now."""
        if not self._active or self._session is None:
            return
        self._take_observations()
        self._renew()
        self._carry_out()
        self._begin_if_running(self._session)
        self._take_observations()
        self._carry_out()
        self._finish_episode()

    def _renew(self) -> None:
        """Real time: a chunk that should have begun long ago is not planned from what was seen then."""
        chunk, schedule = self._agent.waiting, self._schedule
        if chunk is None or schedule is None:
            return
        now_ns, start_ns = self.now_ns(), self._start_ns[chunk]
        if now_ns - start_ns > min(arm.watchdog_s for arm in self._arms.values()) * 1e9:
            why = "its actor is not there yet" if self._agent.lacks_actor else "it waited through a pause"
            if self._is_first_time_late(chunk):
                self._trace.stalls += self._agent.lacks_actor
                late_s = (now_ns - start_ns) * 1e-9
                self.get_logger().warning(
                    f"chunk {self._agent.episode}/{chunk} is {late_s:.2f} s late, {why}: it is observed again"
                )
            self._agent.on_late(chunk)
            schedule.again(self._grid.index(now_ns) + 1)

    def _take_observations(self) -> None:
        for (episode, chunk), due in list(self._due.items()):
            if episode != self._agent.episode:
                continue
            stamp_ns, newest_ns = convert.stamp_ns(due), [convert.time_ns(each) for each in due.newest]
            if chunk == 0:
                self._observer.begin_episode(stamp_ns)
            if self._observe(chunk, stamp_ns, newest_ns):
                self._start_ns[chunk] = convert.time_ns(due.chunk_start)
                del self._due[episode, chunk]

    def _carry_out(self) -> None:
        began = time.perf_counter()
        for effect in self._agent.due(plan=self._runs):
            match effect:
                case SendChunk():
                    self._send_chunk(effect, self._encode_s + time.perf_counter() - began)
                case SendInversion():
                    self._invert(effect)
                case SendTransition():
                    self._send_update(
                        [messages.transition_message(effect.transition)], effect.transition.chunk
                    )
                case SendBarrier():
                    self._send_update([], None)
                case SendCorrection():
                    self._send_update([], _NO_CHUNK, [self._correction(effect)])
            began = time.perf_counter()

    def _invert(self, send: SendInversion) -> None:
        done = partial(self._on_inversion, send.episode, send.chunk)
        self._beside.start(self._runtime.explain, send.plan, send.executed, send.noise, done=done)

    def _on_inversion(self, episode: int, chunk: int, inversion: Inversion) -> None:
        learned = "learned from" if inversion.matched else "not learned from"
        self.get_logger().info(
            f"chunk {episode}/{chunk}, taken over, is {learned}: the nearest latent is {inversion.error} off"
        )
        self._agent.on_inversion(episode, chunk, inversion)
        self._advance()

    def _observe(self, chunk: int, stamp_ns: int, newest_ns: Sequence[int] = ()) -> bool:
        began = time.perf_counter()
        try:
            found = self._observer.snapshot(stamp_ns, newest_ns)
        except SnapshotError as error:
            if not self._asked:
                self._hold(str(error))
            return False
        self._held = ""
        self._observed_ns[chunk] = stamp_ns
        self._agent.on_condition(chunk, self._runtime.condition(self._frames.of(found), found.proprioception))
        self._encode_s = time.perf_counter() - began
        return True

    def _hold(self, reason: str) -> None:
        kind = reason.translate(WITHOUT_DIGITS)  # not another one because something is older now
        if kind != self._held:
            self.get_logger().warning(f"holding: {reason}")
        self._held = kind
        self._told.header, self._told.held = convert.header(self.now_ns()), reason
        self._status.publish(self._told)  # with the last chunk's numbers: none was planned since

    def _send_chunk(self, send: SendChunk, inference_s: float) -> None:
        task, start_ns = self._setup.task, self._start_ns[send.chunk]
        if not np.isfinite(send.plan.actions).all():
            raise DataError(
                f"episode {send.episode}, chunk {send.chunk}: the policy planned numbers that are not "
                "finite; nothing was sent and the arm holds. Check the actor's checkpoint and lambda"
            )
        start_ns = start_ns if self._asked else self._catch_up(send.chunk, start_ns)
        width = task.action.dim // len(self._chunks)
        dt_s = task.waypoint_s
        for index, (name, publisher) in enumerate(self._chunks.items()):
            columns = slice(index * width, (index + 1) * width)
            frame_id = self._arms[name].frame
            publisher.publish(
                messages.chunk_message(send, columns, start_ns, dt_s, self._setup.run_id, frame_id)
            )
        observed_ns, mode = self._observed_ns[send.chunk], self._agent.mode
        self._plans.publish(
            messages.planned_chunk(send, mode, observed_ns, start_ns, inference_s, self._setup.run_id)
        )
        self._trace.chunk(send)
        self._trace.inference(inference_s)
        self._publish_status(send, start_ns, inference_s)

    def _catch_up(self, chunk: int, start_ns: int) -> int:
        """Where the actor came too late the chunk starts at the next tick, and the schedule moves with it."""
        now_ns = self.now_ns()
        if now_ns <= start_ns or self._schedule is None:
            return start_ns
        self._trace.stalls += self._is_first_time_late(chunk)
        start = self._grid.index(now_ns) + 1
        self._schedule.delay(start)
        return self._grid.at(start)

    def _is_first_time_late(self, chunk: int) -> bool:
        known, self._late = self._late, (self._agent.current, chunk)
        return known != self._late

    def _publish_status(self, send: SendChunk, start_ns: int, inference_s: float) -> None:
        self._told = messages.steering_status(send, start_ns, inference_s, self._trace.stalls)
        self._status.publish(self._told)
        if math.isnan(send.plan.guard.rms_ratio):
            return
        if text := guarded.news(send, self._guarded):
            self.get_logger().warning(text)
        self._guarded = bool(send.guard.beyond)

    def _correction(self, effect: SendCorrection) -> Correction:
        return Correction(
            header=convert.header(self.now_ns()),
            run_id=self._setup.run_id,
            episode=effect.episode,
            chunk=effect.chunk,
            outcome=effect.outcome,
        )

    def _send_update(
        self, transitions: list[Any], chunk: int | None, corrections: Sequence[Correction] = ()
    ) -> None:
        episode = -1 if self._agent.episode is None else self._agent.episode
        request = Update.Request(run_id=self._setup.run_id, known_version=self._agent.known_version)
        request.transitions, request.corrections = transitions, list(corrections)
        self.call(self._learner, request, partial(self._on_update, episode, chunk))

    def _on_update(self, episode: int, chunk: int | None, answer: Update.Response) -> None:
        if not answer.ok:
            what = f"episode {episode}" + ("" if chunk is None else f", chunk {chunk}")
            raise DataError(f"the learner refused {what}: {answer.reason}")
        self._agent.on_version(episode, chunk, answer.actor_version, bytes(answer.weights))
        self._advance()

    def _finish_episode(self) -> None:
        episode = self._agent.episode
        if episode is not None and self._agent.over and episode != self._flushed:
            self._flushed = episode
            self._trace.frames(self._frames.counts)
            self._trace.flush()


def main() -> None:
    """Entry point."""
    run(PolicyNode)


if __name__ == "__main__":
    main()
