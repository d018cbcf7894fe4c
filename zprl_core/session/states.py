"""The session's states, its events, and the table of every transition; docs/session.md draws it."""

from __future__ import annotations

from enum import Enum


class State(str, Enum):
    """What the session is doing. An arm may move in "running" and home in "resetting"; else it holds."""

    IDLE = "idle"  # waits for the operator's start; an arm's fault can be cleared
    RESETTING = "resetting"  # the world is being reset for the episode
    READY = "ready"  # reset; nothing has moved yet
    RUNNING = "running"  # the policy drives
    JUDGING = "judging"  # the arm holds; the ending transition waits for a label
    LABELLED = "labelled"  # the outcome is known and may be undone until the next episode starts
    DONE = "done"  # the plan is finished
    PAUSED = "paused"  # as before the pause, but holding
    STOPPED = "stopped"  # stopped by a person, until cleared
    FAULTED = "faulted"  # stopped by a fault, until cleared

    def __str__(self) -> str:
        return self.value


class Event(str, Enum):
    """What can happen to a session."""

    START = "start"
    RESET_DONE = "reset_done"
    BEGIN = "begin"
    CONTINUE = "continue"  # label: this chunk did not end the episode
    LABEL = "label"  # success or failure
    CHUNK_ENDED = "chunk_ended"
    HORIZON = "horizon"  # the time to judge is over
    ABORT = "abort"
    UNDO = "undo"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    FAULT = "fault"
    CLEAR = "clear"

    def __str__(self) -> str:
        return self.value


_S = State
_LIVE = (_S.IDLE, _S.RESETTING, _S.READY, _S.RUNNING, _S.JUDGING, _S.LABELLED, _S.PAUSED)

TRANSITIONS: dict[Event, dict[State, tuple[State, ...]]] = {
    Event.START: {_S.IDLE: (_S.RESETTING, _S.DONE), _S.LABELLED: (_S.RESETTING, _S.DONE)},
    Event.RESET_DONE: {_S.RESETTING: (_S.READY,)},
    Event.BEGIN: {_S.READY: (_S.RUNNING, _S.RESETTING)},
    Event.CONTINUE: {
        _S.RUNNING: (_S.RUNNING, _S.LABELLED),
        _S.PAUSED: (_S.PAUSED, _S.LABELLED),
        _S.JUDGING: (_S.LABELLED,),
    },
    Event.LABEL: {_S.RUNNING: (_S.LABELLED,), _S.PAUSED: (_S.LABELLED,), _S.JUDGING: (_S.LABELLED,)},
    Event.CHUNK_ENDED: {_S.RUNNING: (_S.RUNNING, _S.JUDGING), _S.PAUSED: (_S.PAUSED, _S.JUDGING)},
    Event.HORIZON: {_S.JUDGING: (_S.LABELLED,)},
    Event.ABORT: {_S.RUNNING: (_S.LABELLED,), _S.PAUSED: (_S.LABELLED,), _S.JUDGING: (_S.LABELLED,)},
    Event.UNDO: {_S.LABELLED: (_S.JUDGING,)},
    Event.PAUSE: {_S.READY: (_S.PAUSED,), _S.RUNNING: (_S.PAUSED,), _S.LABELLED: (_S.PAUSED,)},
    Event.RESUME: {_S.PAUSED: (_S.READY, _S.RUNNING, _S.LABELLED)},
    Event.STOP: {
        **dict.fromkeys(_LIVE, (_S.STOPPED,)),
        _S.STOPPED: (_S.STOPPED,),
        _S.FAULTED: (_S.FAULTED,),
        _S.DONE: (_S.DONE,),
    },
    Event.FAULT: dict.fromkeys((*_LIVE, _S.STOPPED, _S.FAULTED), (_S.FAULTED,)),
    Event.CLEAR: {_S.IDLE: (_S.IDLE,), _S.STOPPED: (_S.IDLE,), _S.FAULTED: (_S.IDLE,)},
}
"""For each event, the states in which it is possible and the states to which it may lead."""


def possible_in(event: Event) -> str:
    """The states in which ``event`` is possible, for a message."""
    return ", ".join(TRANSITIONS[event])


def mermaid() -> str:
    """The table as a Mermaid state diagram; events that change no state are left out."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for event, sources in TRANSITIONS.items():
        for source, targets in sources.items():
            for target in targets:
                if target is not source:
                    arrows.setdefault((source, target), []).append(event.value)
    order = list(State)
    lines = ["stateDiagram-v2", "    [*] --> idle"]
    for source, target in sorted(arrows, key=lambda pair: (order.index(pair[0]), order.index(pair[1]))):
        lines.append(f"    {source} --> {target}: {', '.join(arrows[source, target])}")
    return "\n".join([*lines, "    done --> [*]"])
