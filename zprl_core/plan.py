# SPDX-License-Identifier: Apache-2.0
"""What a run does, block by block, and where an interrupted one goes on. RUN/plan.json holds the blocks."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

from zprl_core.errors import DataError
from zprl_core.pairing import pair
from zprl_core.policy_modes import BlockMode, Mode
from zprl_core.records import EpisodeRecord
from zprl_core.run_folder import write_json
from zprl_core.stats import decided

MODES: tuple[str, ...] = get_args(BlockMode)
TRAIN, DEMONSTRATIONS = "train", "demonstrations"
MEASURED: dict[Mode, str] = {"base_c": "base_c", "base_z": "base_z", "steer": "final"}
"""Names of the blocks that measure a checkpoint or a finished run, by the path of the policy."""


@dataclass(frozen=True)
class Block:
    """A stretch of episodes of one kind.

    Attributes:
        name: base_c, base_z, train, eval_<n>, final or demonstrations.
        mode: what drives: a path of the policy, or a person; see `zprl_core.policy_modes`.
        episodes: how many that were not void, for every block but "train".
        chunks: for "train": how many training chunks the run has had when the block ends, counted over
            all its training blocks. The episode under way then is finished.
        case: robustness case of the task, empty for none.
        error_rate: this block is left out once the layouts that both of the plan's rated policies had show
            which one is better, at this probability of an error (see `zprl_core.stats.e_value`).

    Blocks of one name and case go on counting where the one before ended: final with 1 episode, then base_c
    with 1, then final with 2 are three trials.
    """

    name: str
    mode: BlockMode
    episodes: int | None = None
    chunks: int | None = None
    case: str = ""
    error_rate: float | None = None

    @property
    def learns(self) -> bool:
        """Whether its transitions go to the learner."""
        return self.mode == "explore"

    def holds(self, record: EpisodeRecord) -> bool:
        """Whether an episode is one of this block, or of another one that it goes on counting from."""
        return (record.block, record.case) == (self.name, self.case)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Block:
        """The inverse of `dataclasses.asdict`.

        Raises:
            DataError: unknown keys or mode, or not exactly one of episodes and chunks.
        """
        try:
            block = cls(**data)
        except TypeError as error:
            raise DataError(f"a block of a plan has keys {', '.join(_KEYS)}: {error}") from error
        counts = [count for count in (block.episodes, block.chunks) if count is not None]
        if not isinstance(block.name, str) or any(type(count) is not int or count < 0 for count in counts):
            raise DataError(f"block {block.name!r}: a name is a text, episodes and chunks are whole numbers")
        if not isinstance(block.case, str):
            raise DataError(f"block '{block.name}': case: {block.case!r}, allowed: a text")
        rate = block.error_rate
        if rate is not None and not (isinstance(rate, float) and 0.0 < rate < 1.0):
            raise DataError(f"block '{block.name}': error_rate: {rate!r}, allowed: between 0 and 1")
        if block.mode not in MODES:
            raise DataError(f"block '{block.name}': mode: {block.mode!r}, allowed: {', '.join(MODES)}")
        if (block.episodes is None) == (block.chunks is None):
            raise DataError(f"block '{block.name}': needs either episodes or chunks")
        return block


_KEYS = tuple(field.name for field in fields(Block))


def training_plan(chunks: int, eval_episodes: int, every_chunks: int | None) -> tuple[Block, ...]:
    """Both base paths, training with evaluations in between, and the last checkpoint.

    Args:
        chunks: training chunks in all, warm-up included.
        eval_episodes: episodes of every evaluation; with 0 there are none.
        every_chunks: training chunks between evaluations; None for none in between.
    """
    blocks = []
    if eval_episodes:
        blocks += [Block("base_c", "base_c", episodes=eval_episodes)]
        blocks += [Block("base_z", "base_z", episodes=eval_episodes)]
    stops = list(range(every_chunks, chunks, every_chunks)) if every_chunks and eval_episodes else []
    for number, stop in enumerate(stops, start=1):
        blocks.append(Block(TRAIN, "explore", chunks=stop))
        blocks.append(Block(f"eval_{number}", "steer", episodes=eval_episodes))
    if chunks:
        blocks.append(Block(TRAIN, "explore", chunks=chunks))
        if eval_episodes:
            blocks.append(Block("final", "steer", episodes=eval_episodes))
    return tuple(blocks)


def evaluation_plan(
    modes: Sequence[Mode],
    episodes: int,
    seed: int = 0,
    *,
    cases: Mapping[str, int] | None = None,
    error_rate: float | None = None,
) -> tuple[Block, ...]:
    """A measurement of one or more paths of the policy, each on the same layouts.

    Several are measured trial by trial: on each layout one after the other, in an order that the seed draws
    anew for every layout.

    Args:
        modes: paths of the policy.
        episodes: layouts without a robustness case; none are measured where there are cases.
        seed: of the run.
        cases: robustness cases, and how many layouts each.
        error_rate: see `Block`; for two paths.
    """
    parts = cases or {"": episodes}
    if len(modes) == 1:
        (mode,) = modes
        return tuple(Block(MEASURED[mode], mode, episodes=count, case=case) for case, count in parts.items())
    return tuple(
        block for case, count in parts.items() for block in _trials(modes, count, seed, case, error_rate)
    )


def _trials(
    modes: Sequence[Mode], count: int, seed: int, case: str, error_rate: float | None
) -> Iterator[Block]:
    for number in range(1, count + 1):
        for mode in sorted(modes, key=lambda mode: _lot(seed, case, number, mode)):
            yield Block(MEASURED[mode], mode, episodes=number, case=case, error_rate=error_rate)


def _lot(seed: int, case: str, number: int, mode: str) -> bytes:
    """What a path of the policy draws for its place among the others."""
    return hashlib.blake2b(f"{seed}/order/{case}/{number}/{mode}".encode(), digest_size=8).digest()


def collection_plan(episodes: int) -> tuple[Block, ...]:
    """So many demonstrations of a person."""
    return (Block(DEMONSTRATIONS, "human", episodes=episodes),)


def write_plan(path: Path, blocks: Sequence[Block]) -> None:
    """Write RUN/plan.json."""
    write_json(path, [asdict(block) for block in blocks])


def read_plan(path: Path) -> tuple[Block, ...]:
    """Read RUN/plan.json.

    Raises:
        DataError: missing or damaged.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read: {error}. A run folder is made by `zprl train`") from error
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise DataError(f"{path}: must hold a list of blocks")
    try:
        return tuple(Block.from_dict(item) for item in data)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


@dataclass(frozen=True)
class Position:
    """Where a run goes on: a block, and what was done of it."""

    index: int
    block: Block
    done: int


def position(blocks: Sequence[Block], records: Sequence[EpisodeRecord]) -> Position | None:
    """The first unfinished block; None when the plan is done.

    `done` counts the block's episodes, or for "train" the run's training chunks; void episodes count for
    nothing.
    """
    valid = [record for record in records if not record.void]
    trained = sum(record.chunks for record in valid if record.block == TRAIN)
    counted = Counter((record.block, record.case) for record in valid)
    left_out = stopped_early(blocks, records)
    for index, block in enumerate(blocks):
        done = trained if block.chunks is not None else counted[block.name, block.case]
        short = done < (block.chunks if block.chunks is not None else block.episodes or 0)
        if short and not (left_out and block.error_rate is not None):
            return Position(index, block, done)
    return None


def stopped_early(blocks: Sequence[Block], records: Sequence[EpisodeRecord]) -> bool:
    """Whether the layouts so far decide between the plan's rated policies, so that no more are needed.

    It depends on nothing but the outcomes, so that a session that is taken up again decides the same.
    """
    rated = {block.name: block.error_rate for block in blocks if block.error_rate is not None}
    if len(rated) != 2:
        return False
    a, b = ([r for r in records if r.block == name and not r.case] for name in rated)
    return decided(pair(a, b), min(rated.values()))


def interleaved(blocks: Sequence[Block]) -> bool:
    """Whether policies take turns, so that no block is a stretch of its own."""
    return len({(block.name, block.case) for block in blocks}) < len(blocks) and not any(
        block.learns for block in blocks
    )


def may_become_void(blocks: Sequence[Block], here: Block, record: EpisodeRecord) -> bool:
    """Whether an earlier episode can still be made up for: it is of the present block, or the plan learns
    nothing, so that the policy is the same whenever its layout comes again.
    """
    return here.holds(record) or not any(block.learns for block in blocks)


@dataclass(frozen=True)
class Trial:
    """Which one of an evaluation's episodes it is.

    Attributes:
        number: from 1.
        total: how many there will be; at most so many where the plan may end early.
        case: robustness case, empty for none.
        may_end_early: see there.
    """

    number: int
    total: int
    case: str = ""
    may_end_early: bool = False

    def __str__(self) -> str:
        most = "at most " if self.may_end_early else ""
        return f"trial {self.number} of {most}{self.total}"


def trial(blocks: Sequence[Block], records: Sequence[EpisodeRecord], episode: int) -> Trial | None:
    """Which trial an episode is; None where the plan is no evaluation.

    Args:
        blocks: the plan.
        records: of the episodes so far; that of `episode` may be among them.
        episode: the present one.
    """
    if any(block.learns or block.mode == "human" for block in blocks):
        return None
    before = [record for record in records if record.episode < episode]
    own = [record.case for record in records if record.episode == episode]
    place = position(blocks, before)
    case = own[0] if own else place.block.case if place else ""
    most = {(block.name, block.case): block.episodes or 0 for block in blocks}
    number = 1 + sum(not record.void for record in before)
    return Trial(number, sum(most.values()), case, any(block.error_rate is not None for block in blocks))


def place_in_words(now: Trial | None, block: str, *, blind: bool) -> str:
    """What people are told of where an episode stands.

    Args:
        now: which trial it is; None in no evaluation.
        block: its block's name.
        blind: people are not to know which policy drives.
    """
    if now is None:
        return "" if blind else block
    return ", ".join(filter(None, (str(now), now.case, "" if blind else block)))
