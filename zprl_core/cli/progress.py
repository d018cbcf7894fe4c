# SPDX-License-Identifier: Apache-2.0
"""Progress on a terminal: one bar per stage or block, with rate and time left."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from zprl_core.measurement import proportion
from zprl_core.plan import TRAIN, Block, interleaved, position, trial
from zprl_core.records import EpisodeRecord
from zprl_core.stats import Proportion
from zprl_core.summary import recent

if TYPE_CHECKING:
    from zprl_core.training.progress import Progress


def percent(p: Proportion) -> str:
    """ "37/100 = 37 % [28, 47]", with Wilson's 95 % interval."""
    if not p.trials:
        return "nothing measured"
    low, high = (round(100 * bound) for bound in p.wilson())
    return f"{p.successes}/{p.trials} = {100 * p.rate:.0f} % [{low}, {high}]"


def bar(name: str, total: int, unit: str, initial: int = 0) -> Any:
    """A progress bar with rate and time left."""
    # Into a file or a pipe a line every ten seconds is enough.
    interval = 0.2 if sys.stderr.isatty() else 10.0
    return tqdm(total=total, initial=initial, desc=name, unit=unit, mininterval=interval, dynamic_ncols=True)


@contextmanager
def counting(name: str, total: int, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar that is shown while the block runs; it is called with how many are done, of how many."""
    shown = bar(name, total, unit)
    try:
        yield lambda done, _total: shown.update(done - shown.n)
    finally:
        shown.close()


class StageBars:
    """A progress callback for training loops: a bar per stage."""

    def __init__(self) -> None:
        """No bar before the first step."""
        self._stage = ""
        self._bar: Any = None

    def __call__(self, progress: Progress) -> None:
        """Show one step."""
        if progress.stage != self._stage or progress.step == 1:
            self.close()
            self._stage, self._bar = progress.stage, bar(progress.stage, progress.total, "step")
        values = {name: f"{value:.4f}" for name, value in progress.values.items()}
        self._bar.set_postfix(values, refresh=False)
        self._bar.update(progress.step - self._bar.n)

    def close(self) -> None:
        """End the bar that is shown."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class TrialBar:
    """Follows an evaluation in which policies take turns: one bar, which tells nothing about them."""

    def __init__(self, blocks: Sequence[Block], records: Sequence[EpisodeRecord]) -> None:
        """
        Args:
            blocks: the plan.
            records: episodes that were there before this start.
        """
        self._blocks = blocks
        done, total = self._done(records)
        self._bar = bar("trial", total, "ep", done)

    def update(self, records: Sequence[EpisodeRecord]) -> None:
        """Show where the evaluation is."""
        self._bar.update(self._done(records)[0] - self._bar.n)

    def close(self) -> None:
        """End the bar."""
        self._bar.close()

    def _done(self, records: Sequence[EpisodeRecord]) -> tuple[int, int]:
        behind = 1 + max((record.episode for record in records), default=-1)
        now = trial(self._blocks, records, behind)
        return (now.number - 1, now.total) if now else (0, 0)


class RunBars:
    """Follows a run's episodes: a bar per block, a line when a block is done."""

    def __init__(self, blocks: Sequence[Block], records: Sequence[EpisodeRecord]) -> None:
        """
        Args:
            blocks: the plan.
            records: episodes that were there before this start.
        """
        self._blocks = blocks
        self._index = -1
        self._bar: Any = None
        self.update(records)

    def update(self, records: Sequence[EpisodeRecord]) -> None:
        """Show where the run is."""
        now = position(self._blocks, records)
        index = len(self._blocks) if now is None else now.index
        if index != self._index:
            self._finish(index, records)
            self._index = index
            if now is not None:
                total = now.block.chunks or now.block.episodes or 0
                name = f"{now.block.case}: {now.block.name}" if now.block.case else now.block.name
                self._bar = bar(name, total, "chunk" if now.block.chunks else "ep", now.done)
        if now is not None and self._bar is not None:
            self._show(now.block, records, now.done)

    def close(self) -> None:
        """End the bar that is shown."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _finish(self, index: int, records: Sequence[EpisodeRecord]) -> None:
        """The blocks before `index` are done."""
        if self._bar is None:
            return
        if index > self._index:
            self._show(self._blocks[self._index], records, self._bar.total)
        self.close()
        for block in self._blocks[self._index : index]:
            if block.name != TRAIN:
                found = proportion(records, block.name, block.case)
                case = f"{block.case}: " if block.case else ""
                print(f"{case}{block.name}: {percent(found)}", file=sys.stderr)

    def _show(self, block: Block, records: Sequence[EpisodeRecord], done: int) -> None:
        more = done - self._bar.n
        self._bar.set_postfix_str(self._rate(block, records), refresh=False)
        self._bar.update(more)
        if more < 0 or (more == 0 and done):  # a label was taken back or corrected, which tqdm does not draw
            self._bar.refresh()

    def _rate(self, block: Block, records: Sequence[EpisodeRecord]) -> str:
        if block.name == TRAIN:
            rate = recent(records).rate
            return "" if math.isnan(rate) else f"success of the last 50 {rate:.2f}"
        p = proportion(records, block.name, block.case)
        return f"success {p.rate:.2f}" if p.trials else ""


def bars(blocks: Sequence[Block], records: Sequence[EpisodeRecord], *, blind: bool) -> TrialBar | RunBars:
    """What follows a plan.

    Args:
        blocks: the plan.
        records: episodes that were there before this start.
        blind: people are not to know which policy drives.
    """
    return TrialBar(blocks, records) if blind or interleaved(blocks) else RunBars(blocks, records)
