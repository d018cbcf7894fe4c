"""The order of an episode: versions, barriers and transitions, against hand-written tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zprl_core import noise
from zprl_core.agent import RESTARTS, EpisodeAgent
from zprl_core.config import GuardConfig, load_task
from zprl_core.effects import (
    ChunkExecution,
    SendBarrier,
    SendChunk,
    SendCorrection,
    SendInversion,
    SendTransition,
)
from zprl_core.noise import Stream
from zprl_core.planned import Plan
from zprl_core.rl.transition import Transition
from zprl_core.steering.guard import Guard, GuardValues
from zprl_core.steering.inversion import Inversion, MatchError

IMAGES: dict[str, Any] = {}


class CountingRuntime:
    """Arithmetic in place of networks: c is the observation's number, z = c + noise, z~ = z + version."""

    latent_shape = steered_shape = (1,)
    action_shape = (2, 1)

    def __init__(self) -> None:
        self.task = load_task("place_orange_demo")
        self.actor_version = 0
        self.set: list[tuple[int, bytes]] = []

    def set_actor(self, version: int, data: bytes) -> None:
        self.actor_version = version
        self.set.append((version, data))

    def encode(self, images: Any, proprio: np.ndarray) -> np.ndarray:
        return proprio[0]

    def base(self, c: np.ndarray, noise: np.ndarray, w: np.ndarray) -> np.ndarray:
        return c + noise

    def plan(
        self, mode: str, c: np.ndarray, z: np.ndarray, noise: np.ndarray, w: np.ndarray, scale: float = 1.0
    ) -> Plan:
        steered = z + scale * self.actor_version
        guard = GuardValues(rms_ratio=scale * self.actor_version)
        return Plan(c=c, z=z, dz=noise, z_tilde=steered, w=w, actions=w, scale=scale, guard=guard)


def _agent(**changes: Any) -> EpisodeAgent:
    settings: dict[str, Any] = {"lockstep": True, "max_chunks": 3, "learner": True}
    return EpisodeAgent(CountingRuntime(), 0, **{**settings, **changes})  # type: ignore[arg-type]


def _observe(agent: EpisodeAgent, chunk: int) -> None:
    agent.on_observation(chunk, IMAGES, np.full((1, 1), chunk, np.float32))


def _done(agent: EpisodeAgent) -> list[str]:
    """What is due, in short: b barrier, c2 chunk 2 (with its actor's version), t1 transition 1."""
    words = []
    for effect in agent.due():
        match effect:
            case SendBarrier():
                words.append("b")
            case SendChunk():
                words.append(f"c{effect.chunk}@{effect.actor_version}")
            case SendTransition():
                words.append(f"t{effect.transition.chunk}")
            case SendCorrection():
                words.append(f"t{effect.chunk}={effect.outcome}")
    return words


def test_the_order_of_a_training_episode() -> None:
    agent = _agent()
    agent.begin(7, "explore")
    assert _done(agent) == ["b"]
    _observe(agent, 0)
    assert _done(agent) == []  # the actor that the episode starts with is not known yet
    agent.on_version(7, None, 40, b"\0\0\0\0")
    assert _done(agent) == ["c0@40"]
    _observe(agent, 1)
    assert _done(agent) == []  # lockstep: chunk 0 is not cleared
    agent.on_report(7, 0, ChunkExecution())
    agent.on_cleared(7, 0)
    assert _done(agent) == ["t0", "c1@40"]  # chunks 0 and 1: the version at the episode's start
    _observe(agent, 2)
    agent.on_report(7, 1, ChunkExecution())
    agent.on_cleared(7, 1)
    assert _done(agent) == ["t1"]  # chunk 2 waits for the version after transition 0
    agent.on_version(7, 0, 41, b"\1\0\0\0")
    assert _done(agent) == ["c2@41"]
    agent.on_version(7, 1, 42, b"\2\0\0\0")
    agent.on_report(7, 2, ChunkExecution())
    agent.on_ending(7, 2, "horizon")
    assert _done(agent) == []  # at the horizon the final observation is still needed
    _observe(agent, 3)
    assert _done(agent) == ["t2"]


def test_a_label_between_two_chunks_of_simulated_time_ends_the_one_that_was_not_planned() -> None:
    agent = _agent()
    agent.begin(0, "explore")
    agent.on_version(0, None, 1, b"\0\0\0\0")
    _observe(agent, 0)
    assert _done(agent) == ["b", "c0@1"]
    agent.on_report(0, 0, ChunkExecution())
    agent.on_cleared(0, 0)
    agent.on_ending(0, 1, "failure")
    assert _done(agent) == []
    agent.on_ending(0, 1, "")  # undone
    _observe(agent, 1)
    assert _done(agent) == ["t0"]
    agent.on_ending(0, 1, "success")
    assert [type(effect) for effect in agent.due(plan=False)] == [SendChunk]
    assert agent.owes
    agent.on_report(0, 1, ChunkExecution(interrupted="interrupted: labelled before it began", labelled=True))
    (ending,) = agent.due(plan=False)
    assert isinstance(ending, SendTransition)
    assert (ending.transition.chunk, ending.transition.reward, ending.transition.excluded) == (1, 1.0, "")
    assert not agent.owes


def test_so_it_is_in_an_episode_that_is_taken_up_in_its_middle() -> None:
    agent = _agent(learner=False, max_chunks=None)
    agent.begin(0, "explore", first=2)
    for chunk in (2, 3):
        agent.on_cleared(0, chunk - 1)
        _observe(agent, chunk)
    assert _done(agent) == ["c2@0"]
    agent.on_cleared(0, 2)
    agent.on_ending(0, 3, "success")
    assert _done(agent) == ["c3@0"]


@pytest.mark.parametrize(
    ("outcome", "reward", "terminal"),
    [("success", 1.0, True), ("failure", 0.0, True), ("horizon", 0.0, False)],
)
def test_endings(outcome: str, reward: float, terminal: bool) -> None:
    """Success: r = 1, done; failure: r = 0, done; horizon: r = 0, not done."""
    agent = _agent()
    agent.begin(0, "explore")
    agent.on_version(0, None, 1, b"\0\0\0\0")
    for chunk in (0, 1):
        _observe(agent, chunk)
    assert _done(agent) == ["b", "c0@1"]
    agent.on_report(0, 0, ChunkExecution(interrupted="labelled", labelled=True))
    agent.on_ending(0, 0, outcome)
    (effect,) = agent.due()
    assert isinstance(effect, SendTransition)
    transition = effect.transition
    assert (transition.reward, transition.terminal, transition.last) == (reward, terminal, True)
    assert transition.excluded == ("" if terminal else "labelled")
    none = np.zeros((2, 1), np.float32)
    drawn = noise.normal(0, 0, 1, Stream.LATENT, (1,))  # of the run, the episode and the chunk
    assert transition.z_next == agent.runtime.base(np.float32([1]), drawn, none)  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", ["success", "failure"])
def test_what_a_pause_or_a_person_cut_short_is_not_what_led_to_the_outcome(outcome: str) -> None:
    agent = _agent()
    agent.begin(0, "explore")
    agent.on_version(0, None, 1, b"\0\0\0\0")
    _observe(agent, 0)
    assert _done(agent) == ["b", "c0@1"]
    agent.on_report(0, 0, ChunkExecution(interrupted="interrupted: the session is paused"))
    agent.on_ending(0, 0, outcome)
    (effect,) = agent.due()
    assert isinstance(effect, SendTransition) and effect.transition.terminal
    assert effect.transition.excluded == "interrupted: the session is paused"


def test_a_void_chunk_leaves_no_transition() -> None:
    agent = _agent()
    agent.begin(0, "explore")
    agent.on_version(0, None, 1, b"\0\0\0\0")
    _observe(agent, 0)
    _observe(agent, 1)
    assert _done(agent) == ["b", "c0@1"]
    agent.on_report(0, 0, ChunkExecution(spoiled="refused"))
    agent.on_ending(0, 0, "void")
    assert _done(agent) == []


def test_what_an_ended_episode_still_owes() -> None:
    agent = _agent()
    agent.begin(0, "explore")
    agent.on_version(0, None, 1, b"\0\0\0\0")
    _observe(agent, 0)
    assert _done(agent) == ["b", "c0@1"]
    assert not agent.owes
    agent.on_ending(0, 0, "horizon")
    assert agent.owes  # the report and the final observation are still to come
    _observe(agent, 1)
    agent.on_report(0, 0, ChunkExecution())
    assert agent.owes
    assert _done(agent) == ["t0"]
    assert not agent.owes


def test_an_undone_label_is_corrected_before_it_is_settled() -> None:
    """Pressed, undone, pressed again: the learner hears of it, and makes updates only once it is final."""
    agent = _agent()
    agent.begin(0, "explore")
    agent.on_version(0, None, 1, b"\0\0\0\0")
    _observe(agent, 0)
    assert _done(agent) == ["b", "c0@1"]
    agent.on_report(0, 0, ChunkExecution(interrupted="labelled", labelled=True))
    agent.on_ending(0, 0, "success")
    assert _done(agent) == ["t0"]
    agent.on_ending(0, 0, "")
    assert _done(agent) == []
    agent.on_ending(0, 0, "failure")
    assert _done(agent) == ["t0=failure"]
    agent.on_closed()
    assert _done(agent) == ["b"]
    agent.on_ending(0, 0, "success")
    assert _done(agent) == []


def test_a_label_undone_before_it_was_sent_is_not_sent() -> None:
    agent = _agent()
    agent.begin(0, "explore")
    agent.on_version(0, None, 1, b"\0\0\0\0")
    _observe(agent, 0)
    assert _done(agent) == ["b", "c0@1"]
    agent.on_ending(0, 0, "success")
    agent.on_ending(0, 0, "")
    agent.on_report(0, 0, ChunkExecution(interrupted="labelled", labelled=True))
    assert _done(agent) == []
    agent.on_ending(0, 0, "failure")
    (effect,) = agent.due()
    assert isinstance(effect, SendTransition)
    assert (effect.transition.reward, effect.transition.terminal) == (0.0, True)


def test_a_void_first_chunk_owes_nothing() -> None:
    agent = _agent()
    agent.begin(0, "explore")
    agent.on_version(0, None, 1, b"\0\0\0\0")
    _observe(agent, 0)
    assert _done(agent) == ["b", "c0@1"]
    agent.on_ending(0, 0, "void")
    assert not agent.owes


def test_a_spoiled_chunk_is_kept_out_of_learning_even_if_it_ended_in_success() -> None:
    agent = _agent()
    agent.begin(0, "explore")
    agent.on_version(0, None, 1, b"\0\0\0\0")
    _observe(agent, 0)
    assert _done(agent) == ["b", "c0@1"]
    agent.on_report(0, 0, ChunkExecution(spoiled="clamped"))
    agent.on_ending(0, 0, "success")
    (effect,) = agent.due()
    assert isinstance(effect, SendTransition)
    assert effect.transition.excluded == "clamped"


def test_evaluation_learns_nothing_and_needs_no_learner() -> None:
    agent = _agent(learner=False)
    for mode in ("base_c", "base_z", "steer"):
        agent.begin(0, mode)
        _observe(agent, 0)
        assert _done(agent) == ["c0@0"]
        agent.on_report(0, 0, ChunkExecution())
        agent.on_ending(0, 0, "success")
        assert _done(agent) == []


def test_in_real_time_the_next_chunk_is_planned_before_the_last_one_is_cleared() -> None:
    agent = _agent(lockstep=False)
    agent.begin(0, "explore")
    agent.on_version(0, None, 1, b"\0\0\0\0")
    _observe(agent, 0)
    _observe(agent, 1)
    assert _done(agent) == ["b", "c0@1"]
    assert _done(agent) == ["c1@1"]


def test_nothing_is_planned_during_a_pause_and_transitions_go_on() -> None:
    agent = _agent()
    agent.begin(0, "explore")
    agent.on_version(0, None, 1, b"\0\0\0\0")
    _observe(agent, 0)
    assert _done(agent) == ["b", "c0@1"]
    agent.on_report(0, 0, ChunkExecution())
    agent.on_cleared(0, 0)
    _observe(agent, 1)
    assert [type(effect) for effect in agent.due(plan=False)] == [SendTransition]
    assert _done(agent) == ["c1@1"]


def test_during_warm_up_a_version_without_weights_keeps_the_old_ones() -> None:
    agent = _agent()
    agent.begin(0, "explore")
    agent.on_version(0, None, 1, b"\5\0\0\0")
    _observe(agent, 0)
    assert _done(agent) == ["b", "c0@1"]
    agent.begin(1, "explore")
    agent.on_version(1, None, 2, b"")
    _observe(agent, 0)
    assert _done(agent) == ["b", "c0@2"]
    assert agent.runtime.set == [(1, b"\5\0\0\0"), (2, b"\5\0\0\0")]  # type: ignore[attr-defined]


def test_what_another_episode_says_is_not_heard() -> None:
    agent = _agent()
    agent.begin(3, "explore")
    agent.on_version(2, None, 9, b"\0\0\0\0")
    _observe(agent, 0)
    assert _done(agent) == ["b"]
    agent.on_ending(2, 0, "success")
    assert not agent.over


def _overridden(agent: EpisodeAgent) -> SendInversion:
    """Chunk 0 was taken over and cleared; what is sent for it."""
    agent.begin(0, "explore")
    agent.on_version(0, None, 1, b"\0\0\0\0")
    _observe(agent, 0)
    _observe(agent, 1)
    assert _done(agent) == ["b", "c0@1"]
    report = ChunkExecution("overridden: a person", by_hand=True, executed=np.ones((2, 1)))
    agent.on_report(0, 0, report)
    agent.on_cleared(0, 0)
    effects = list(agent.due(plan=False))
    assert len(effects) == 1 and isinstance(effects[0], SendInversion)
    return effects[0]


def _transition(agent: EpisodeAgent) -> Transition:
    (effect,) = agent.due(plan=False)
    assert isinstance(effect, SendTransition)
    return effect.transition


def test_a_chunk_that_a_person_took_over_is_not_learned_from() -> None:
    agent = _agent()
    agent.begin(0, "explore")
    agent.on_version(0, None, 1, b"\0\0\0\0")
    _observe(agent, 0)
    assert _done(agent) == ["b", "c0@1"]
    _observe(agent, 1)
    agent.on_cleared(0, 0)
    agent.on_report(0, 0, ChunkExecution("overridden: a person", by_hand=True, executed=np.ones((2, 1))))
    assert _transition(agent).excluded == "overridden: a person"


def test_its_transition_waits_for_the_latent_that_explains_it() -> None:
    agent = _agent(invert=True)
    sent = _overridden(agent)
    assert sent.executed.tolist() == [[1], [1]] and sent.plan.c == [0] and sent.noise.shape == (RESTARTS, 1)
    assert list(agent.due(plan=False)) == []  # asked for once
    assert agent.searches
    found = np.array([5], np.float32)
    agent.on_inversion(0, 0, Inversion(found, MatchError(0.001, 0.0, 0.0), matched=True, steps=3))
    transition = _transition(agent)
    assert transition.z_tilde is found and transition.excluded == "" and not agent.searches


def test_a_latent_that_explains_it_badly_leaves_it_out_and_says_by_how_much() -> None:
    agent = _agent(invert=True)
    sent = _overridden(agent)
    found = Inversion(np.array([5], np.float32), MatchError(0.02, 0.0, 0.0), matched=False, steps=3)
    agent.on_inversion(0, 0, found)
    transition = _transition(agent)
    assert transition.z_tilde is sent.plan.z_tilde
    assert transition.excluded == (
        "overridden: a person; the nearest latent is 0.0200 m, 0.000 rad, gripper 0.0000 m off"
    )


def test_lambda_is_scaled_by_what_was_planned_before_and_a_history_brings_the_scale_back() -> None:
    """RMS ratios are the actor's version, 2: beyond 1.5 after two chunks; 1.4, at a scale of 0.7, is not."""
    guard = Guard(GuardConfig(rms_ratio=1.5, chunks=2, back_off=True))
    agent = _agent(guard=guard, max_chunks=5, lockstep=False)
    agent.begin(0, "steer")
    agent.on_version(0, None, 2, b"\0\0\0\0")
    for chunk in range(5):
        _observe(agent, chunk)
    sent: list[SendChunk] = []
    while len(sent) < 5:
        sent += [effect for effect in agent.due() if isinstance(effect, SendChunk)]
    assert [effect.plan.scale for effect in sent] == [1.0, 1.0, 0.7, 0.7, 0.7 * 1.05]
    again = _agent(guard=guard)
    again.resume_guard([effect.plan.guard for effect in sent])
    assert again.guard_state == agent.guard_state == sent[-1].guard
    agent.begin(1, "base_z")
    _observe(agent, 0)
    (unsteered,) = agent.due()
    assert isinstance(unsteered, SendChunk) and unsteered.plan.scale == 1.0


def test_an_observation_that_is_too_old_to_act_on_is_replaced_and_still_ends_the_transition_before() -> None:
    agent = _agent(lockstep=False)
    agent.begin(0, "explore")
    assert agent.waiting is None
    _observe(agent, 0)
    assert agent.waiting == 0 and agent.lacks_actor
    agent.on_late(0)
    assert agent.waiting is None
    agent.on_version(0, None, 3, b"\0\0\0\0")
    assert _done(agent) == ["b"], "not from the old one, whenever its actor comes"
    assert not agent.lacks_actor
    agent.on_observation(0, IMAGES, np.full((1, 1), 9.0, np.float32))
    (sent,) = agent.due()
    assert isinstance(sent, SendChunk) and sent.plan.c.item() == 9.0
    _observe(agent, 1)
    assert _done(agent) == ["c1@3"] and agent.waiting is None
    _observe(agent, 2)
    assert agent.waiting == 2, "chunk 2 waits for the updates of transition 0"
    agent.on_late(2)
    for chunk in (0, 1):
        agent.on_report(0, chunk, ChunkExecution())
        agent.on_cleared(0, chunk)
    first, second = agent.due()
    assert isinstance(first, SendTransition) and isinstance(second, SendTransition)
    assert second.transition.c_next.item() == 2.0
    agent.on_ending(0, 1, "success")
    assert agent.waiting is None


def test_nothing_waits_beyond_the_horizon() -> None:
    agent = _agent(lockstep=False, max_chunks=1)
    agent.begin(0, "base_c")
    _observe(agent, 0)
    assert _done(agent) == ["c0@0"]
    _observe(agent, 1)
    assert agent.waiting is None


def test_an_actor_that_is_still_to_plan_chunks_is_kept_whatever_the_learner_answers_besides() -> None:
    """Each correction of an earlier label is a version of its own."""
    agent = _agent(lockstep=False, max_chunks=9)
    agent.begin(7, "steer")
    agent.on_version(7, None, 40, b"\0\0\0\0")
    for chunk in range(4):
        agent.on_version(7, -1, 41 + chunk, b"" if chunk % 2 else b"\1\0\0\0")
        _observe(agent, chunk)
        assert _done(agent)[-1] == f"c{chunk}@40"
    runtime = agent.runtime
    assert isinstance(runtime, CountingRuntime) and runtime.set == [(40, b"\0\0\0\0")] * 4
    assert set(agent._actors) == {40, 44}


def test_actors_that_nothing_is_planned_by_any_more_are_let_go() -> None:
    agent = _agent(lockstep=False, max_chunks=99)
    agent.begin(0, "explore")
    agent.on_version(0, None, 0, b"\0\0\0\0")
    for chunk in range(50):
        _observe(agent, chunk)
        list(agent.due())
        if chunk:
            agent.on_report(0, chunk - 1, ChunkExecution())
            agent.on_cleared(0, chunk - 1)
            list(agent.due())
            agent.on_version(0, chunk - 1, chunk, bytes([chunk, 0, 0, 0]))
        assert len(agent._actors) <= 4
    assert agent.runtime.actor_version == 48
