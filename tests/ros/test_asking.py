"""Which states the automatic judge looks at, and what it says."""

from __future__ import annotations

from zprl_interfaces.msg import SessionState

from zprl_session.judge import Asking, Question


def session(state: str, episode: int = 0, run_id: str = "run") -> SessionState:
    return SessionState(run_id=run_id, state=state, episode=episode)


def test_in_lockstep_every_end_of_a_chunk_gets_an_answer() -> None:
    asking = Asking("run", lockstep=True)
    assert asking.question(0, -1) is None
    question = asking.question(0, 3)
    assert question == Question(0, 3)
    assert asking.answer(question, "undecided") == "continue"
    assert asking.answer(question, "success") == "success"


def test_in_real_time_an_episode_is_labelled_once_while_it_runs() -> None:
    asking = Asking("run", lockstep=False)
    assert asking.question(0, -1) is None
    asking.on_session(session("running", run_id="another"))
    assert asking.question(0, -1) is None
    asking.on_session(session("running"))
    question = asking.question(0, -1)
    assert question == Question(0, -1)
    assert asking.answer(question, "undecided") == ""
    assert asking.question(1, -1) is None
    assert asking.answer(question, "failure") == "failure"
    assert asking.question(0, -1) is None
    asking.on_session(session("running", 1))
    assert asking.question(1, -1) == Question(1, -1)
