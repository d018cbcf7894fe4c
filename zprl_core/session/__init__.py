"""Which episode, in which state, with which outcome: a pure state machine. Start at `Session`."""

from zprl_core.session.homes import Homes
from zprl_core.session.layouts import layout_seed
from zprl_core.session.ledger import Entry, Ledger, LedgerFile, in_effect, read_ledger, record_outcomes
from zprl_core.session.machine import Session
from zprl_core.session.messages import (
    Answer,
    CorrectLabel,
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
    "CorrectLabel",
    "Effect",
    "Entry",
    "Event",
    "FinishRun",
    "Homes",
    "Ledger",
    "LedgerFile",
    "RecordEpisode",
    "ResetWorld",
    "Session",
    "SessionConfig",
    "SessionView",
    "State",
    "in_effect",
    "layout_seed",
    "mermaid",
    "read_ledger",
    "record_outcomes",
]
