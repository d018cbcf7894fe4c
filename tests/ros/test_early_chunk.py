"""A policy that hears that the session runs before the arm's bridge does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from lifecycle_msgs.msg import Transition
from zprl_interfaces.msg import ActionChunk, SessionState
from zprl_interfaces.srv import SimReset

from tests.ros.harness import Graph, graph
from tests.ros.observer import Observer
from zprl_bringup import convert, qos
from zprl_core.config import load_rig, load_task
from zprl_core.plan import Block
from zprl_sim.executor import encode
from zprl_sim.expert import Intent, plan
from zprl_sim.layout import draw_layout

LAYOUT_SEED, AHEAD_S = 5, 0.6


class SessionAtHand(Observer):
    """Says itself what state the session is in."""

    def __init__(self, g: Graph) -> None:
        super().__init__(g.domain, "arm", "report")
        self.graph, self._sequence, self._clears = g, 0, 0
        self._says = self._node.create_publisher(SessionState, "/session/state", qos.changes())
        self._resets = self._node.create_client(SimReset, "/sim/reset")

    def say(self, state: str, episode: int) -> None:
        self._sequence += 1
        message = SessionState(run_id="test-run", state=state, episode=episode, sequence=self._sequence)
        message.header, message.clears = convert.header(time.time_ns(), ""), self._clears
        self._says.publish(message)

    def clear(self, episode: int) -> None:
        """A person asks for it."""
        self._clears += 1
        self.say("idle", episode)

    def ready(self, episode: int) -> None:
        """An episode that waits for its start."""
        self.say("resetting", episode)
        self.reset(episode)
        self.say("ready", episode)
        time.sleep(0.1)

    def reset(self, episode: int) -> None:
        """Lay out the world, arm at home."""
        request = SimReset.Request(episode=episode, layout_seed=LAYOUT_SEED)
        assert self._answer(self._resets, request).ok

    def chunk(self, episode: int, chunk: int = 0, ahead_s: float = AHEAD_S) -> int:
        """Send one; when it starts, ns."""
        task, arm = load_task(self.graph.run.task_file), load_rig(self.graph.run.rig_file).arms[0]
        size = task.action.chunk
        actions = np.array([encode(s) for s in plan(draw_layout(LAYOUT_SEED), Intent())[1:]])[:size]
        start_ns = time.time_ns() + round(ahead_s * 1e9)
        message = ActionChunk(
            header=convert.header(start_ns, arm.frame),
            run_id="test-run",
            episode=episode,
            chunk=chunk,
            source="policy",
            dt_s=task.action.repeat / task.rate_hz,
            dim=actions.shape[1],
            actions=convert.doubles(actions),
        )
        self.send_chunk(message)
        return start_ns

    def reports(self, episode: int) -> list[tuple[int, bool, str]]:
        """(chunk, refused, reason) of an episode."""
        return [(m.chunk, m.status == 1, m.reason) for m in self.seen["report"] if m.episode == episode]

    def told_ns(self, episode: int) -> int:
        """When the bridge made its first report of an episode."""
        return next(convert.stamp_ns(m) for m in self.seen["report"] if m.episode == episode)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        self.graph.wait(condition, 10.0, what)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionAtHand]:
    folder: Path = tmp_path_factory.mktemp("early") / "g"
    with graph(folder, lockstep=False, blocks=(Block("base_c", "base_c", episodes=1),)) as g:
        g.start("bridge")
        with SessionAtHand(g) as at_hand:
            assert at_hand.change("bridge", Transition.TRANSITION_CONFIGURE)
            assert at_hand.change("bridge", Transition.TRANSITION_ACTIVATE)
            at_hand.reach_arm()
            yield at_hand


def test_its_chunk_waits_until_the_bridge_has_heard_and_is_executed(session: SessionAtHand) -> None:
    session.ready(episode=1)
    session.chunk(episode=1)
    time.sleep(0.2)
    assert session.reports(1) == []
    session.say("running", 1)
    session.wait(lambda: any(state.owner == "policy" for state in session.seen["arm"]), "motion")
    session.wait(lambda: bool(session.reports(1)), "a report")
    assert session.reports(1)[0][:2] == (0, False)


def test_it_is_refused_at_its_start_where_the_session_does_not_run(session: SessionAtHand) -> None:
    session.ready(episode=2)
    start_ns = session.chunk(episode=2)
    session.wait(lambda: bool(session.reports(2)), "a report")
    refused_ns = time.time_ns()
    assert session.reports(2) == [(0, True, "chunk 2/0: no motion for policy while the session is ready")]
    assert 0 <= refused_ns - start_ns < 1e9


def test_it_is_refused_at_once_where_the_session_goes_elsewhere(session: SessionAtHand) -> None:
    session.ready(episode=3)
    start_ns = session.chunk(episode=3)
    time.sleep(0.1)
    session.say("stopped", 3)
    session.wait(lambda: bool(session.reports(3)), "a report")
    assert session.reports(3) == [(0, True, "chunk 3/0: no motion for policy while the session is stopped")]
    assert session.told_ns(3) < start_ns
    session.say("idle", 3)


def test_another_episodes_is_refused_at_once_and_a_second_one_too(session: SessionAtHand) -> None:
    session.ready(episode=4)
    start_ns = session.chunk(episode=5)
    session.wait(lambda: bool(session.reports(5)), "a report")
    assert session.told_ns(5) < start_ns
    assert session.reports(5) == [(0, True, "chunk 5/0: it is for episode 5, this is episode 4")]
    kept_ns = session.chunk(episode=4)
    session.chunk(episode=4, chunk=1)
    session.wait(lambda: bool(session.reports(4)), "a report")
    assert session.told_ns(4) < kept_ns
    reason = "no motion for policy while the session is ready"
    assert session.reports(4) == [(1, True, f"chunk 4/1: {reason}")]
    session.wait(lambda: len(session.reports(4)) == 2, "the kept one's report")
    assert session.reports(4)[1] == (0, True, f"chunk 4/0: {reason}")


def test_one_that_is_kept_is_not_executed_where_somebody_stops_the_arm(session: SessionAtHand) -> None:
    session.ready(episode=6)
    session.chunk(episode=6)
    time.sleep(0.1)
    session.stop_arm()
    session.say("running", 6)
    session.wait(lambda: bool(session.reports(6)), "a report")
    ((chunk, refused, reason),) = session.reports(6)
    assert (chunk, refused) == (0, True) and "/arms/arm/stop" in reason
    assert {state.owner for state in session.seen["arm"][-5:]} == {"stop"}
    session.say("faulted", 6)
    session.clear(6)


def test_it_waits_for_a_session_that_goes_on_after_a_pause_and_not_where_it_starts_too_far_ahead(
    session: SessionAtHand,
) -> None:
    session.ready(episode=7)
    session.say("running", 7)
    session.say("paused", 7)
    time.sleep(0.2)
    session.chunk(episode=7, chunk=1, ahead_s=30.0)
    session.wait(lambda: bool(session.reports(7)), "a report")
    assert session.reports(7)[0] == (1, True, "chunk 7/1: no motion for policy while the session is paused")
    session.chunk(episode=7)
    time.sleep(0.2)
    assert len(session.reports(7)) == 1
    session.say("running", 7)
    session.wait(lambda: len(session.reports(7)) == 2, "a report")
    assert session.reports(7)[1][:2] == (0, False)


def test_it_waits_where_the_bridge_has_not_even_heard_that_the_session_is_ready(
    session: SessionAtHand,
) -> None:
    session.say("resetting", 8)
    session.reset(8)
    session.chunk(episode=8)
    time.sleep(0.2)
    assert session.reports(8) == []
    session.say("ready", 8)
    session.say("running", 8)
    session.wait(lambda: bool(session.reports(8)), "a report")
    assert session.reports(8)[0][:2] == (0, False)


def test_one_that_is_kept_is_answered_where_the_bridge_is_deactivated(session: SessionAtHand) -> None:
    session.ready(episode=11)
    session.chunk(episode=11)
    time.sleep(0.1)
    assert session.reports(11) == []
    assert session.change("bridge", Transition.TRANSITION_DEACTIVATE)
    session.wait(lambda: bool(session.reports(11)), "a report")
    assert session.reports(11) == [(0, False, "the bridge was deactivated before it began")]
    assert session.change("bridge", Transition.TRANSITION_ACTIVATE)


def test_what_the_session_said_before_a_bridge_was_active_clears_no_stop(session: SessionAtHand) -> None:
    """To a bridge that is activated again the session's last states come again, "stopped" among them."""
    session.ready(episode=12)
    session.say("running", 12)
    time.sleep(0.2)
    session.stop_arm()
    session.wait(lambda: bool(session.seen["arm"][-1].fault), "the stop")
    session.say("stopped", 12)
    time.sleep(0.3)
    fault = session.seen["arm"][-1].fault
    assert "stopped by" in fault
    assert session.change("bridge", Transition.TRANSITION_DEACTIVATE)
    silent = len(session.seen["arm"])
    assert session.change("bridge", Transition.TRANSITION_ACTIVATE)
    session.wait(lambda: len(session.seen["arm"]) > silent + 60, "states of the arm")
    assert {state.fault for state in session.seen["arm"][silent:]} == {fault}
    session.say("idle", 12)  # of a session that was begun anew: nobody asked for the arm to be cleared
    time.sleep(0.3)
    assert session.seen["arm"][-1].fault == fault
    session.clear(12)
    session.wait(lambda: session.seen["arm"][-1].fault == "", "the stop's end")
