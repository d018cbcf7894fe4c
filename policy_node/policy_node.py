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

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from std_srvs.srv import Trigger
from zprl_interfaces.msg import ChunkReport, Correction, ObserveDue, SessionState
from zprl_interfaces.srv import Update

from policy_node import messages
from policy_node.beside import Beside
from policy_node.frames import Frames
from policy_node.hearing import Hearing
from policy_node.observer import Observer
from policy_node.outlets import Outlets
from policy_node.schedule import Schedule
from policy_node.trace import Trace
from zprl_bringup import convert, qos
from zprl_bringup.node import LifecycleNode, run
from zprl_bringup.ticks import GridTimer
from zprl_core.agent import EpisodeAgent
from zprl_core.arithmetic import use_threads
from zprl_core.base import load_base
from zprl_core.effects import (
    ChunkExecution,
    SendBarrier,
    SendChunk,
    SendCorrection,
    SendInversion,
    SendTransition,
)
from zprl_core.errors import ConfigError, DataError
from zprl_core.grid import TickGrid
from zprl_core.joined import JoinedReports
from zprl_core.observation import first_tick
from zprl_core.rl.learner import load_actor
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
        self._held = ""
        self._taken_up = False
        self._encode_s = 0.0

    def configure(self) -> None:
        """Load the policy and open every topic."""
        setup = self._setup
        use_threads(setup.rig.compute.threads)
        self._folder = setup.folder
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
        self._trace = Trace(self._folder, self._runtime.backend)

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
            if self._replay:
                self._folder.write_stats("observed", self._observer.kept)

    def _open(self) -> None:
        setup = self._setup
        profile = qos.replayed() if self._replay else qos.stream(setup.lockstep)
        arms = [arm.name for arm in setup.rig.arms]
        self._reports: JoinedReports[ChunkExecution] = JoinedReports(arms)
        self._outlets = Outlets(self, setup, profile)
        self._hearing = Hearing(self, self._outlets.commands)
        for name in arms:
            self.create_subscription(ChunkReport, f"/arms/{name}/report", self._on_report, profile)
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
            self._schedule = self._schedule_from(self.now_ns())
            self._observer.begin_episode(self._schedule.observe_ns)

    def _schedule_from(self, now_ns: int) -> Schedule:
        task = self._setup.task
        return Schedule(
            self._grid,
            first_tick(self._grid.index(now_ns), task),
            lead=task.observation.lead_steps,
            chunk_ticks=task.action.chunk_ticks,
            patience_s=min(arm.watchdog_s for arm in self._setup.rig.arms),
        )

    def _on_report(self, message: ChunkReport) -> None:
        if message.source != "policy":
            return
        limit = min(arm.limits.excluded_clamped_fraction for arm in self._setup.rig.arms)
        execution = messages.chunk_execution(message, limit)
        if execution.spoiled:
            self.get_logger().warning(
                f"chunk {message.episode}/{message.chunk} is not learned from: {execution.spoiled}"
            )
        joined = self._reports.add(message.arm, message.episode, message.chunk, execution)
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
            self._frames.ahead(self._observer.settled(self._schedule.observe_ns))

    def _on_tick(self, tick: int, tick_ns: int) -> None:
        self._trace.tick((self.now_ns() - tick_ns) * 1e-9)
        schedule = self._schedule
        if schedule is None or not self._runs:
            return
        if deaf := self._hearing.deaf():
            self._hold(f"no bridge listens to arm {', '.join(deaf)}")
        elif self._agent.waiting is None and schedule.due(tick):
            observed = schedule.observing(tick)
            if self._observe(schedule.chunk, self._grid.at(observed)):
                schedule.observed(observed)
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
        chunk, schedule, now_ns = self._agent.waiting, self._schedule, self.now_ns()
        if chunk is None or schedule is None or not schedule.too_late(now_ns):
            return
        lacks_actor = self._agent.lacks_actor
        if schedule.again(now_ns):
            why = "its actor is not there yet" if lacks_actor else "it waited through a pause"
            late_s = (now_ns - schedule.start_ns) * 1e-9
            self._trace.stalls += lacks_actor
            self.get_logger().warning(
                f"chunk {self._agent.episode}/{chunk} is {late_s:.2f} s late, {why}: it is observed again"
            )
        self._agent.on_late(chunk)

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
        self._outlets.held(self.now_ns(), reason)

    def _send_chunk(self, send: SendChunk, inference_s: float) -> None:
        start_ns = self._starting(send.chunk)
        self._outlets.chunk(send, self._agent.mode, self._observed_ns[send.chunk], start_ns, inference_s)
        self._trace.chunk(send)
        self._trace.inference(inference_s)
        self._outlets.status(send, start_ns, inference_s, self._trace.stalls)

    def _starting(self, chunk: int) -> int:
        """When a chunk that is ready now starts; in real time, one that is late moves the schedule."""
        if self._schedule is None:
            return self._start_ns[chunk]
        self._trace.stalls += self._schedule.catch_up(self.now_ns())
        return self._schedule.start_ns

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
