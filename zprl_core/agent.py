"""The order of an episode: which chunk needs what, and which transitions it leaves behind.

The rules (chunks t = 0, 1, 2, ... of one episode, synchronous learning as in section V-D of the paper):

- chunk t is planned from observation t; chunks 0 and 1 by the actor as it is when the episode starts,
  chunk t + 2 by the actor that the updates of transition t leave behind, which therefore run while chunk
  t + 1 executes;
- transition t = (c_t, z_t, z~_t, r_t, c_t+1, z_t+1), where z_t+1 is the very draw that chunk t + 1 uses;
- a non-terminal transition is learned from as soon as its chunk is known not to have ended the episode;
  only the ending transition waits for the outcome;
- every draw is a function of (seed, episode, chunk), see `zprl_core.noise`;
- a chunk that a person took over is not learned from, unless a latent explains what was executed and
  `rl.human_chunks` says so: then its transition has that latent for z~.

`EpisodeAgent` is told what happened (`on_...`) and asked what is to be done (`due`). It never waits and
never reads a clock: the policy node and the in-process loop both drive it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from zprl_core import noise
from zprl_core.actions import ActionCodec
from zprl_core.config import GuardConfig
from zprl_core.effects import (
    ChunkExecution,
    Effect,
    SendBarrier,
    SendChunk,
    SendCorrection,
    SendInversion,
    SendTransition,
)
from zprl_core.noise import Stream
from zprl_core.policy_modes import STEERED
from zprl_core.rl.transition import REWARDS, TERMINAL, Transition
from zprl_core.steering.action_residual import progressive_share
from zprl_core.steering.filtering import average_recent
from zprl_core.steering.guard import Guard, GuardState, GuardValues

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zprl_core.planned import Plan
    from zprl_core.runtime import PolicyRuntime
    from zprl_core.steering.inversion import Inversion

RESTARTS = 3
"""Draws of p(z|c) from which a latent that explains a person's chunk is looked for, after the plan's z."""


@dataclass(frozen=True)
class _Actor:
    """An actor's weights as the learner sent them, and what identifies them in logs; empty: none were."""

    weights: bytes = b""
    digest: str = ""

    @classmethod
    def of(cls, weights: bytes) -> _Actor:
        return cls(weights, noise.digest(np.frombuffer(weights, np.uint8)))


@dataclass
class _Episode:
    """What is known of the running episode; dictionaries are keyed by the chunk's index."""

    index: int
    mode: str
    first: int = 0
    c: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    z: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    plans: dict[int, Plan] = field(default_factory=dict)
    executions: dict[int, ChunkExecution] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)
    sought: set[int] = field(default_factory=set)
    inversions: dict[int, Inversion] = field(default_factory=dict)
    planned: dict[int, NDArray[np.float32]] = field(default_factory=dict)  # the last, before it was averaged
    stale: set[int] = field(default_factory=set)  # observed, to be observed again before they are planned
    start_version: int | None = None
    barrier_sent: bool = False
    cleared: int = -1
    sent: int = -1
    ending: int | None = None
    outcome: str = ""
    sent_outcome: str = ""
    closed: bool = False
    settled: bool = False

    @property
    def next_chunk(self) -> int:
        """The chunk that is planned next."""
        return self.first + len(self.plans)


def _with_error(spoiled: str, inversion: Inversion | None) -> str:
    """Why a chunk is not learned from, with how far the best latent is from explaining it."""
    return spoiled if inversion is None else f"{spoiled}; the nearest latent is {inversion.error} off"


class EpisodeAgent:
    """Plans the chunks of one episode after another and forms their transitions.

    Args:
        runtime: the frozen policy with its steering.
        seed: of the run; keys all noise.
        lockstep: a chunk is sent only after the one before it was cleared.
        max_chunks: an episode's horizon in chunks; no chunk beyond it is planned. None: no limit.
        learner: whether a learner answers; without one, "steer" uses the actor that the runtime holds.
        guard: of the steered latent; None: with the settings' defaults, which never scale lambda.
        invert: whether a latent is looked for that explains a chunk which a person took over.

    Attributes:
        known_version: newest actor version that was received, -1 before the first.
        guard_state: what the guard remembers of all steered chunks so far, evaluation included.
    """

    def __init__(
        self,
        runtime: PolicyRuntime,
        seed: int,
        *,
        lockstep: bool,
        max_chunks: int | None,
        learner: bool,
        guard: Guard | None = None,
        invert: bool = False,
    ) -> None:
        self.runtime, self.seed, self.lockstep, self.max_chunks = runtime, seed, lockstep, max_chunks
        self.learner = learner
        self.guard_state = GuardState()
        self._guard, self._invert = guard or Guard(GuardConfig()), invert
        self.known_version = -1
        self._actors: dict[int, _Actor] = {}
        self._episode: _Episode | None = None

    @property
    def episode(self) -> int | None:
        """Index of the episode under way."""
        return self._episode.index if self._episode else None

    @property
    def current(self) -> int:
        """Index of the episode that was begun.

        Raises:
            RuntimeError: none was.
        """
        return self._current().index

    @property
    def mode(self) -> str:
        """Path of the policy in the episode that was begun."""
        return self._current().mode

    @property
    def over(self) -> bool:
        """Whether the episode ended."""
        return self._episode is not None and self._episode.ending is not None

    @property
    def owes(self) -> bool:
        """Whether the episode ended and has transitions that were not sent yet.

        The next episode must not begin before they are, or they would be lost; what they wait for (a report,
        the final observation) is on its way.
        """
        e = self._episode
        if e is None or e.ending is None or e.mode != "explore":
            return False
        # A void chunk leaves nothing behind, the chunks before it do.
        return e.sent < (e.ending - 1 if e.outcome == "void" else e.ending)

    @property
    def searches(self) -> bool:
        """Whether latents that explain a person's chunks are still looked for, which ends by itself."""
        return self._episode is not None and bool(self._episode.sought - self._episode.inversions.keys())

    def resume_guard(self, history: Iterable[GuardValues]) -> None:
        """The values of the run's steered chunks before the first episode that is begun, in their order."""
        self.guard_state = self._guard.replay(history)

    def begin(self, episode: int, mode: str, first: int = 0) -> None:
        """Start an episode; mode is one of base_c, base_z, explore, steer. Replay may begin later."""
        self._episode = _Episode(episode, mode, first)

    def on_observation(
        self, chunk: int, images: Mapping[str, NDArray[np.uint8]], proprio: NDArray[np.float32]
    ) -> None:
        """The snapshot that chunk is planned from: {camera: (S, h, w, 3)} and (S, dq)."""
        self.on_condition(chunk, self.runtime.encode(images, proprio))

    def on_condition(self, chunk: int, c: NDArray[np.float32]) -> None:
        """The same, encoded: c (c_dim,). Draws z."""
        e = self._current()
        e.c[chunk] = c
        noise_z = self._draw(chunk, Stream.LATENT, self.runtime.latent_shape)
        w = self._draw(chunk, Stream.FLOW, self.runtime.action_shape)
        e.z[chunk] = self.runtime.base(c, noise_z, w)
        e.stale.discard(chunk)

    @property
    def waiting(self) -> int | None:
        """The chunk that was observed and is planned as soon as its actor is there."""
        e = self._episode
        if e is None or e.ending is not None:
            return None
        chunk = e.next_chunk
        return chunk if chunk in e.c and chunk not in e.stale and not self._beyond(chunk) else None

    @property
    def lacks_actor(self) -> bool:
        """Whether the chunk that is planned next waits for the learner."""
        e = self._episode
        return e is not None and self._required_version(e, e.next_chunk) is None

    def on_late(self, chunk: int) -> None:
        """What a chunk was observed from is too old to act on: it is planned only from another observation.

        Transitions may still end in the old one, which did follow theirs.
        """
        self._current().stale.add(chunk)

    def on_report(self, episode: int, chunk: int, execution: ChunkExecution) -> None:
        """The bridge reported the chunk."""
        if e := self._running(episode):
            e.executions[chunk] = execution

    def on_inversion(self, episode: int, chunk: int, inversion: Inversion) -> None:
        """What was found for a chunk that a person took over."""
        if e := self._running(episode):
            e.inversions[chunk] = inversion

    def on_cleared(self, episode: int, chunk: int) -> None:
        """Chunks up to this one did not end the episode."""
        if e := self._running(episode):
            e.cleared = max(e.cleared, chunk)

    def on_ending(self, episode: int, chunk: int, outcome: str) -> None:
        """The episode ended in this chunk: success, failure, horizon or void.

        Until `on_closed` the outcome may become another one, or empty while an undone label is missing.
        """
        e = self._running(episode)
        if e is None or e.closed or (e.ending is None and not outcome):
            return
        e.ending, e.outcome = chunk if e.ending is None else e.ending, outcome

    def on_closed(self) -> None:
        """The label of the episode is final."""
        if self._episode and self._episode.ending is not None:
            self._episode.closed = True

    def on_version(self, episode: int, chunk: int | None, version: int, weights: bytes) -> None:
        """The learner's answer to transition `chunk`, or to the barrier (None).

        weights: empty when they are those of the version known so far.
        """
        unchanged = self._actors.get(self.known_version, _Actor())
        self._actors[version] = _Actor.of(weights) if weights else unchanged
        self.known_version = version
        if e := self._running(episode):
            if chunk is None:
                e.start_version = version
            else:
                e.versions[chunk] = version
        needed = {version, *self._versions_to_come()}
        self._actors = {v: actor for v, actor in self._actors.items() if v in needed}

    def _versions_to_come(self) -> Iterator[int]:
        """Of actors that chunks which are not planned yet are to be planned by."""
        e = self._episode
        if e is None:
            return
        if e.start_version is not None:
            yield e.start_version
        yield from (version for chunk, version in e.versions.items() if chunk + 2 >= e.next_chunk)

    def due(self, plan: bool = True) -> Iterator[Effect]:
        """Everything that can be done now, in order; without `plan`, no chunk is planned."""
        e = self._episode
        if e is None:
            return
        if self._asks_learner(e) and not e.barrier_sent:
            e.barrier_sent = True
            yield SendBarrier()
        if e.mode == "explore":
            yield from self._due_inversions(e)
            yield from self._due_transitions(e)
            yield from self._due_ending(e)
        if (plan and e.ending is None) or self._labelled_before_planned(e):
            yield from self._due_chunk(e)

    def _labelled_before_planned(self, e: _Episode) -> bool:
        """In simulated time a label can come between two chunks. The later one is the ending: it is planned,
        and the bridge answers that it was interrupted before it began.
        """
        between = self.lockstep and e.ending == e.next_chunk
        return between and e.mode == "explore" and e.outcome in TERMINAL

    def _next_transition(self, e: _Episode) -> int | None:
        """The chunk whose transition can be formed now, if any."""
        chunk = e.sent + 1
        if chunk not in e.plans or chunk not in e.executions or chunk in e.sought - e.inversions.keys():
            return None
        if chunk != e.ending:
            return chunk if chunk <= e.cleared and chunk + 1 in e.c else None
        if e.outcome in ("", "void"):
            return None
        # At the horizon the value of what follows counts, so its observation is waited for.
        return chunk if e.outcome in TERMINAL or chunk + 1 in e.c else None

    def _due_inversions(self, e: _Episode) -> Iterator[Effect]:
        if not self._invert:
            return
        for chunk, execution in e.executions.items():
            executed = execution.executed if execution.by_hand else None
            if executed is not None and chunk in e.plans and chunk not in e.sought:
                e.sought.add(chunk)
                starts = self._draw(chunk, Stream.INVERSION, (RESTARTS, *self.runtime.latent_shape))
                yield SendInversion(e.index, chunk, e.plans[chunk], executed, starts)

    def _due_transitions(self, e: _Episode) -> Iterator[Effect]:
        while (chunk := self._next_transition(e)) is not None:
            e.sent = chunk
            yield SendTransition(self._transition(e, chunk, ending=chunk == e.ending))

    def _due_ending(self, e: _Episode) -> Iterator[Effect]:
        """What follows an ending that was sent: another label, and that the label is final."""
        if e.ending is None or e.sent != e.ending:
            return
        e.sent_outcome = e.sent_outcome or e.outcome
        if e.outcome not in ("", e.sent_outcome):
            e.sent_outcome = e.outcome
            yield SendCorrection(e.index, e.ending, e.outcome)
        if e.closed and not e.settled:
            e.settled = True
            yield SendBarrier()

    def _due_chunk(self, e: _Episode) -> Iterator[Effect]:
        chunk = e.next_chunk
        if chunk not in e.c or chunk in e.stale or self._beyond(chunk):
            return
        if self.lockstep and e.cleared < chunk - 1:
            return
        version = self._required_version(e, chunk)
        if version is None:
            return
        if self._asks_learner(e):
            self.runtime.set_actor(version, self._actors[version].weights)
        plan = self.runtime.plan(
            e.mode,
            e.c[chunk],
            e.z[chunk],
            self._draw(chunk, Stream.PERTURBATION, self.runtime.steered_shape),
            self._draw(chunk, Stream.FLOW, self.runtime.action_shape),
            self._scale(e, chunk, version) if e.mode in STEERED else 1.0,
        )
        plan = self._filtered(e, plan) if e.mode in STEERED else plan
        e.plans[chunk] = plan
        if e.mode in STEERED:
            self.guard_state = self._guard.after(self.guard_state, plan.guard)
        digest = self._actors.get(version, _Actor()).digest
        yield SendChunk(e.index, chunk, plan, version, digest, self.guard_state)

    def _beyond(self, chunk: int) -> bool:
        """Whether the episode's horizon is before this chunk."""
        return self.max_chunks is not None and chunk >= self.max_chunks

    def _scale(self, e: _Episode, chunk: int, version: int) -> float:
        """Of lambda: the guard's, and 0 where progressive exploration leaves the chunk to the base policy."""
        rl = self.runtime.task.rl
        if rl.steering == "action_residual" and e.mode == "explore":
            drawn = noise.generator(self.seed, e.index, chunk, Stream.STEERED).random()
            if drawn >= progressive_share(version, rl.progressive_chunks):
                return 0.0
        return self.guard_state.scale

    def _filtered(self, e: _Episode, plan: Plan) -> Plan:
        """With each pose averaged over the last waypoints, those of the chunk before included.

        Where one of the two chunks before was refused, cut short or taken over, as far as that is known yet,
        nothing before this chunk counts. In real time the last one's report comes after this plan: what a
        stale average makes of it is within the bridge's limits, or refused there, and over with the next
        chunk.
        """
        rl = self.runtime.task.rl
        if rl.steering == "latent":
            return plan
        chunk = e.next_chunk
        before = e.planned.get(chunk - 1, plan.actions[:0])
        if any((done := e.executions.get(each)) and done.unlike_plan for each in (chunk - 1, chunk - 2)):
            before = plan.actions[:0]  # the arm is not where that plan led
        e.planned = {chunk: plan.actions}
        codec = ActionCodec.from_config(self.runtime.task.action)
        return replace(plan, actions=average_recent(plan.actions, before, rl.filter_steps, codec))

    def _required_version(self, e: _Episode, chunk: int) -> int | None:
        if not self._asks_learner(e):
            return self.runtime.actor_version
        return e.start_version if chunk < 2 or e.mode == "steer" else e.versions.get(chunk - 2)

    def _asks_learner(self, e: _Episode) -> bool:
        return self.learner and e.mode in STEERED

    def _transition(self, e: _Episode, chunk: int, ending: bool) -> Transition:
        outcome = e.outcome if ending else ""
        terminal = outcome in TERMINAL
        execution, inversion = e.executions[chunk], e.inversions.get(chunk)
        explained = inversion is not None and inversion.matched
        spoiled = "" if explained else _with_error(execution.spoiled, inversion)
        # Behind a terminal state nothing is bootstrapped; an episode cut short has no next observation.
        following = chunk + 1 if chunk + 1 in e.c else chunk
        return Transition(
            episode=e.index,
            chunk=chunk,
            c=e.c[chunk],
            z=e.z[chunk],
            z_tilde=inversion.z_tilde if explained and inversion else e.plans[chunk].z_tilde,
            reward=REWARDS.get(outcome, 0.0),
            terminal=terminal,
            last=ending,
            c_next=e.c[following],
            z_next=e.z[following],
            excluded=spoiled or ("" if terminal and execution.labelled else execution.interrupted),
        )

    def _draw(self, chunk: int, stream: Stream, shape: tuple[int, ...]) -> NDArray[np.float32]:
        return noise.normal(self.seed, self._current().index, chunk, stream, shape)

    def _running(self, episode: int) -> _Episode | None:
        """The episode under way, where it is this one: what is told of another one is not heard."""
        e = self._episode
        return e if e is not None and e.index == episode else None

    def _current(self) -> _Episode:
        if self._episode is None:
            raise RuntimeError("no episode was begun")
        return self._episode
