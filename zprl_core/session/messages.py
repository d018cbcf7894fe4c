"""What goes into a session and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

from zprl_core.errors import ConfigError
from zprl_core.plan import Block
from zprl_core.records import EpisodeRecord


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """What a session is told at its start.

    Attributes:
        run_id: name of the run; every chunk carries it.
        seed: of the run; draws the layouts.
        plan: the blocks, in order.
        horizon_chunks: chunks in an episode that nothing ends earlier.
        chunk_steps: ticks of one chunk.
        lockstep: a chunk counts as cleared when the judge has said "continue"; otherwise when it has ended.
        auto_begin: an episode begins by itself once the reset is done, else when "begin" is commanded.
        countdown_s: between a reset and an episode that begins by itself.
        judge_window_s: at the horizon, time for a person to say success or failure; then it is the horizon.
        presets: seeds of the evaluations' preset layouts; empty: they are drawn.
        undo_window_s: time after a label until the next episode starts by itself; None: it waits for "start".

    Raises:
        ConfigError: an empty plan, or a number out of range.
    """

    run_id: str
    seed: int
    plan: tuple[Block, ...]
    horizon_chunks: int
    chunk_steps: int
    lockstep: bool
    auto_begin: bool = True
    countdown_s: float = 0.0
    judge_window_s: float = 10.0
    undo_window_s: float | None = None
    presets: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.plan:
            raise ConfigError("session: the plan has no blocks; give it one or more")
        lowest = {
            "horizon_chunks": 1,
            "chunk_steps": 1,
            "countdown_s": 0,
            "judge_window_s": 0,
            "undo_window_s": 0,
        }
        for name, low in lowest.items():
            value = getattr(self, name)
            if value is not None and not value >= low:
                raise ConfigError(f"session {name}: {value}, allowed: {low} or more")


@dataclass(frozen=True)
class SessionView:
    """The session as everyone sees it; the fields of ``SessionState.msg``.

    Attributes:
        sequence: grows with every change.
        clears: grows whenever a person asks the arms to clear what they complain of.
        episode: the present episode; while idle at first, the one to come.
        cleared_chunk: the last chunk known not to have ended the episode, -1 before the first.
        outcome: empty, or success, failure, horizon, void.
        ending_chunk: the chunk that r belongs to (void: the one in flight), -1 while there is none.
        layout: where the objects lie, for people; empty before the reset is done.
        author: who gave the outcome.
        possible: labels and commands that would be accepted now.
        since_ns: when this state began.
        window_s: seconds after that at which it goes on by itself; -1: it waits.
        reason: why it is paused, stopped, faulted or void.
    """

    run_id: str
    sequence: int
    clears: int
    state: str
    episode: int
    block: str
    mode: str
    cleared_chunk: int
    outcome: str
    ending_chunk: int
    layout_seed: int
    layout: str
    author: str
    possible: tuple[str, ...]
    since_ns: int
    window_s: float
    reason: str


@dataclass(frozen=True)
class Answer:
    """What a caller gets: accepted, or refused with the reason."""

    accepted: bool
    reason: str = ""


@dataclass(frozen=True)
class ResetWorld:
    """Bring the arms home, lay the world out for this episode, then call `Session.reset_done`.

    Attributes:
        laid_out: the world is, for this episode: only the arms left their homes since.
    """

    episode: int
    layout_seed: int
    laid_out: bool = False


@dataclass(frozen=True)
class RecordEpisode:
    """Write this record; one for an episode that has one already replaces it."""

    record: EpisodeRecord


@dataclass(frozen=True)
class CorrectLabel:
    """Tell the learner that the outcome of an earlier episode is another one."""

    command_id: str
    record: EpisodeRecord


@dataclass(frozen=True)
class FinishRun:
    """The plan is finished."""


Effect = ResetWorld | RecordEpisode | CorrectLabel | FinishRun
