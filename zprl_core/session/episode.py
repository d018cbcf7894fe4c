"""What a session knows about its present episode."""

from __future__ import annotations

from dataclasses import dataclass, field

from zprl_core.plan import Block
from zprl_core.records import EpisodeRecord, Outcome


@dataclass
class Episode:
    """One episode from its reset to its outcome.

    Attributes:
        index: over the whole run, from 0.
        block, layout_seed: where it belongs, and what draws its layout.
        last_chunk: index of the chunk that reaches the horizon.
        displaced: its reset was done, and an arm has left its home since.
        begins: it was asked to begin; it does once the arms are home again.
        begun: whether it was ever running; one that was not leaves no record.
        cleared: the last chunk known not to have ended it, -1 before the first.
        outcome, ending_chunk: empty and -1 while it is open.
        helped: chunks in which a person had the arm.
        shadow: chunks that moved nothing, because the motors were off.
    """

    index: int
    block: Block
    layout_seed: int
    last_chunk: int
    layout: str = ""
    displaced: bool = False
    begins: bool = False
    begun: bool = False
    cleared: int = -1
    outcome: Outcome | None = None
    ending_chunk: int = -1
    began_ns: int = 0
    ended_ns: int = 0
    author: str = ""
    reason: str = ""
    helped: set[int] = field(default_factory=set)
    shadow: set[int] = field(default_factory=set)

    @property
    def open(self) -> bool:
        """Begun, and without an outcome."""
        return self.begun and self.outcome is None

    @property
    def pending(self) -> int:
        """The chunk that a label now is about: the one after the last cleared one."""
        return self.cleared + 1

    @property
    def at_horizon(self) -> bool:
        """Whether the pending chunk is the last."""
        return self.pending == self.last_chunk

    def end(self, outcome: Outcome, author: str, now_ns: int, reason: str = "") -> None:
        """The episode ends in the pending chunk."""
        self.outcome, self.ending_chunk, self.ended_ns = outcome, self.pending, now_ns
        self.author, self.reason = author, reason

    def reopen(self) -> None:
        """The outcome is taken back."""
        self.outcome, self.ending_chunk, self.author, self.reason = None, -1, "", ""

    def record(self, steps_per_chunk: int) -> EpisodeRecord:
        """The record of an episode with an outcome. A chunk that was cut counts whole, as in gamma."""
        chunks = self.ending_chunk + 1
        return EpisodeRecord(
            episode=self.index,
            block=self.block.name,
            mode=self.block.mode,
            layout_seed=self.layout_seed,
            outcome=self.outcome or "void",
            steps=chunks * steps_per_chunk,
            chunks=chunks,
            start_stamp_ns=self.began_ns,
            end_stamp_ns=self.ended_ns,
            label_author=self.author,
            reason=self.reason,
            layout=self.layout,
            helped_chunks=len(self.helped),
            shadow_chunks=len(self.shadow),
            case=self.block.case,
        )
