"""What the automatic judge has to say about a state, and whether it has said so already. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from zprl_interfaces.msg import SessionState


@dataclass(frozen=True)
class Question:
    """A label that is asked for.

    Attributes:
        episode: which episode.
        chunk: the chunk that ended, or -1 for the one that executes.
    """

    episode: int
    chunk: int


class Asking:
    """Decides which states are judged.

    In lockstep every end of a chunk is, and is answered with success, failure or continue. In real time
    every state is, while the session runs or waits for a label, until the episode has one.

    Args:
        run_id: of the session; another session's state is not looked at.
        lockstep: which of the two.
    """

    def __init__(self, run_id: str, lockstep: bool) -> None:
        self._run_id, self._lockstep = run_id, lockstep
        self._episode, self._state, self._labelled = -1, "", -1

    def on_session(self, message: SessionState) -> None:
        """The session's state."""
        if message.run_id == self._run_id:
            self._episode, self._state = message.episode, message.state

    def question(self, episode: int, chunk_end: int) -> Question | None:
        """What is to be answered about a world state of this episode, if anything."""
        if self._lockstep:
            return Question(episode, chunk_end) if chunk_end >= 0 else None
        if self._state not in ("running", "judging") or episode != self._episode or episode == self._labelled:
            return None
        return Question(episode, -1)

    def answer(self, question: Question, outcome: str) -> str:
        """The label to give, "" for none; `outcome` is success, failure or undecided."""
        if outcome in ("success", "failure"):
            self._labelled = question.episode
            return outcome
        return "continue" if self._lockstep else ""
