"""The lockstep graph without processes: the same bridge, judge, policy and learner, called in turn.

For experiments that need many runs, such as sweeps. What it plans and learns is what the graph of nodes plans
and learns, hash for hash (a test compares them).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from zprl_arms.controller import ArmController
from zprl_arms.drivers.sim import SimArm
from zprl_arms.lockstep import Lockstep
from zprl_arms.timing import Timing
from zprl_core.agent import EpisodeAgent
from zprl_core.config import RigConfig, TaskConfig
from zprl_core.effects import ChunkExecution, SendChunk, SendTransition, clamped_beyond
from zprl_core.errors import SessionError
from zprl_core.rl.learner import Learner
from zprl_core.safety import ChunkCommand
from zprl_sim.judge import Judge, Outcome, Verdict
from zprl_sim.render import Renderer
from zprl_sim.scene import Scene

RUN_ID = "in-process"
LABELS = {Outcome.SUCCESS: "success", Outcome.FAILURE: "failure"}


@dataclass(frozen=True)
class Result:
    """How an episode ended, after how many chunks, and why.

    outcome: success, failure, horizon or void. reason: the judge's, or the bridge's for refusing a chunk.
    """

    outcome: str
    chunks: int
    reason: str


class InProcess:
    """One simulated rig with a policy, and a learner where there is one.

    Args:
        rig, task: which.
        agent: plans the chunks.
        learner: gets the transitions of "explore" episodes.
        on_chunk: called with every plan.
        arm: which arm to move; a new one by default.
    """

    def __init__(
        self,
        rig: RigConfig,
        task: TaskConfig,
        agent: EpisodeAgent,
        learner: Learner | None = None,
        on_chunk: Callable[[SendChunk], None] = lambda _: None,
        arm: SimArm | None = None,
    ) -> None:
        self._arm, self._config, self._task = arm or SimArm(task), rig.arms[0], task
        self._agent, self._learner, self._on_chunk = agent, learner, on_chunk
        self._timing = Timing.of(task, self._config)
        self._controller = ArmController(self._config, task, RUN_ID, self._arm.read().setpoint)
        self._lockstep = Lockstep(self._arm, self._controller, self._timing, self)
        self._renderers = {v.name: Renderer(v.height, v.width) for v in task.observation.cameras}
        self._judge = Judge()
        self._episode, self._starts = 0, {0: 0}
        self._history: list[tuple[dict[str, Any], np.ndarray]] = []

    def run(self, episode: int, mode: str, layout_seed: int, case: str = "") -> Result:
        """One episode, in a robustness case of the task where one is named.

        Raises:
            SessionError: the agent has nothing to send although it is its turn.
        """
        self._episode, self._history, agent = episode, [], self._agent
        self._controller.reset(self._arm.reset(layout_seed, case).home)
        self._lockstep.reset(episode)
        self._session("ready")
        agent.begin(episode, mode)
        self._session("running")
        self._lockstep.begin(episode)
        for chunk in range(self._timing.max_chunks):
            send = self._due()
            if send is None or send.chunk != chunk:
                raise SessionError(f"episode {episode}: the agent did not send chunk {chunk}")
            self._on_chunk(send)
            refusal = self._execute(send)
            if refusal:
                return self._end(chunk, "void", refusal)
            verdict = self._verdict()
            if verdict.outcome in LABELS:
                return self._end(chunk, LABELS[verdict.outcome], verdict.reason)
            if chunk + 1 < self._timing.max_chunks:
                agent.on_cleared(episode, chunk)
        return self._end(self._timing.max_chunks - 1, "horizon", verdict.reason)

    def frame(self, camera: str) -> np.ndarray:
        """What a camera sees now, uint8 (h, w, 3)."""
        world = self._arm.world()
        return self._renderers[camera](world.qpos, camera, Scene.from_text(world.scene))

    def on_observation(self, stamp_ns: int, chunk: int | None, chunk_start_ns: int, ended: bool) -> None:
        """See `zprl_arms.lockstep.Listener`."""
        reading = self._arm.read()
        q = np.append(reading.joint_position_rad, [reading.gripper_width_m]).astype(np.float32)
        self._history.append(({name: self.frame(name) for name in self._renderers}, q))
        if chunk is None:
            return
        steps = self._task.observation.steps
        seen = self._history[-steps:]
        seen = [seen[0]] * (steps - len(seen)) + seen
        images = {name: np.stack([frames[name] for frames, _ in seen]) for name in self._renderers}
        self._starts[chunk] = chunk_start_ns
        self._agent.on_observation(chunk, images, np.stack([vector for _, vector in seen]))

    def on_moved(self, n: int, stamp_ns: int) -> None:
        """See `zprl_arms.lockstep.Listener`."""

    def on_chunk_end(self, stamp_ns: int, chunk: int, observed: bool) -> None:
        """See `zprl_arms.lockstep.Listener`."""

    def _due(self) -> SendChunk | None:
        """Carry out what is due until nothing is; returns the chunk to execute."""
        send, busy = None, True
        while busy:
            busy = False
            for effect in self._agent.due():
                busy = True
                if isinstance(effect, SendChunk):
                    send = effect
                elif self._learner is not None:
                    chunk = effect.transition.chunk if isinstance(effect, SendTransition) else None
                    if isinstance(effect, SendTransition):
                        self._learner.update(effect.transition)
                    else:
                        self._learner.settle()
                    version, weights = self._learner.version, self._learner.actor_bytes()
                    self._agent.on_version(self._episode, chunk, version, weights)
        return send

    def _execute(self, send: SendChunk) -> str:
        """Run a chunk to its end; returns why it was refused, or nothing."""
        actions = send.plan.actions.astype(np.float64)
        command = ChunkCommand(
            run_id=RUN_ID,
            episode=send.episode,
            chunk=send.chunk,
            stamp_ns=self._starts[send.chunk],
            dt_s=self._task.waypoint_s,
            dim=actions.shape[1],
            actions=actions,
        )
        problem = self._lockstep.problem(command)
        if problem:
            raise SessionError(problem)
        if not self._controller.command(command, self._lockstep.now_ns):
            return self._controller.reports(self._lockstep.now_ns)[0].reason
        self._lockstep.execute()
        limit = self._config.limits.excluded_clamped_fraction
        for report in self._controller.reports(self._lockstep.now_ns):
            done = report.outcome
            spoiled = clamped_beyond(limit, done.clamped_fraction, done.clamped_text) if done else ""
            self._agent.on_report(send.episode, report.chunk, ChunkExecution(spoiled=spoiled))
        return ""

    def _verdict(self) -> Verdict:
        world = self._arm.world()
        return self._judge(world.qpos, world.qvel, Scene.from_text(world.scene))

    def _end(self, chunk: int, outcome: str, reason: str) -> Result:
        self._agent.on_ending(self._episode, chunk, outcome)
        self._agent.on_closed()
        self._due()
        self._session("labelled")
        return Result(outcome, chunk + 1, reason)

    def _session(self, state: str) -> None:
        self._controller.on_session(state, self._episode, self._lockstep.now_ns, self._arm.read().setpoint)
