"""What a state of the session means to people, and what it would accept. Pure."""

from __future__ import annotations

from typing import Any

from zprl_core.session.states import TRANSITIONS, Event, State

_COMMANDS = ("start", "begin", "pause", "resume", "stop", "abort", "undo", "clear")
_WORDS = {
    "": ("Waiting", "for the session"),
    "idle": ("Idle", "Start when the cell is safe"),
    "resetting": ("Resetting", "the arms go home"),
    "ready": ("Ready", ""),
    "running": ("Running", "the policy drives"),
    "judging": ("Judge", "was it a success or a failure?"),
    "labelled": ("Labelled", "Undo, or Start the next episode"),
    "done": ("Done", "the plan is finished"),
    "paused": ("Paused", "the arms hold; Resume goes on"),
    "stopped": ("Stopped", "Clear when the cell is safe"),
    "faulted": ("Fault", "see what is wrong, then Clear"),
}
_READY = {
    "manual": "lay out the objects, then Begin",
    "teleoperated": "lay out the objects, with the arms too, then Begin: they go home first",
    "automatic": "keep clear, it begins by itself",
}


def words(message: Any, reset: str) -> tuple[str, str]:
    """A word and a hint for the session's newest state.

    Args:
        message: `zprl_interfaces/msg/SessionState`; None before the first.
        reset: how the scene comes to its start, see the task's key.
    """
    word, hint = _WORDS.get(message.state if message else "", ("?", ""))
    if message is None:
        return word, hint
    hint = _READY.get(reset, hint) if message.state == "ready" else hint
    if message.state in ("stopped", "paused") and message.reason:
        hint = f"{message.reason}; {hint}"
    return (f"{word}: {message.outcome}" if message.state == "labelled" and message.outcome else word), hint


def possible_now(message: Any) -> list[str]:
    """Labels and commands that the session would accept; by the state where the session does not say."""
    if list(message.possible):
        return list(message.possible)
    try:
        state = State(message.state)
    except ValueError:
        return ["stop"]
    commands = [name for name in _COMMANDS if state in TRANSITIONS[Event(name)]]
    return [*commands, *(("success", "failure") if state in TRANSITIONS[Event.LABEL] else ())]
