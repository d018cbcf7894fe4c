"""Which episode, in which state, with which outcome: a pure state machine. Start at `Session`."""

from zprl_core.session.layouts import layout_seed
from zprl_core.session.machine import Session
from zprl_core.session.messages import (
    Answer,
    Effect,
    FinishRun,
    RecordEpisode,
    ResetWorld,
    SessionConfig,
    SessionView,
)
from zprl_core.session.states import TRANSITIONS, Event, State, mermaid

__all__ = [
    "TRANSITIONS",
    "Answer",
    "Effect",
    "Event",
    "FinishRun",
    "RecordEpisode",
    "ResetWorld",
    "Session",
    "SessionConfig",
    "SessionView",
    "State",
    "layout_seed",
    "mermaid",
]
