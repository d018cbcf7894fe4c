# SPDX-License-Identifier: Apache-2.0
"""What a run does, block by block, and where an interrupted one goes on. RUN/plan.json holds the blocks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from zprl_core.errors import DataError
from zprl_core.records import EpisodeRecord

Mode = Literal["base_c", "base_z", "explore", "steer", "human"]
MODES: tuple[str, ...] = get_args(Mode)
TRAIN, DEMONSTRATIONS = "train", "demonstrations"


@dataclass(frozen=True)
class Block:
    """A stretch of episodes of one kind.

    Attributes:
        name: base_c, base_z, train, eval_<n>, final or demonstrations.
        mode: path of the policy: base_c (through c), base_z (through z, not steered), explore (the actor
            samples and the learner learns), steer (the actor's mean, nothing is learned); human: no policy
            drives, a person does.
        episodes: how many that were not void, for every block but "train".
        chunks: for "train": how many training chunks the run has had when the block ends, counted over
            all its training blocks. The episode under way then is finished.
    """

    name: str
    mode: Mode
    episodes: int | None = None
    chunks: int | None = None

    @property
    def learns(self) -> bool:
        """Whether its transitions go to the learner."""
        return self.mode == "explore"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Block:
        """The inverse of `dataclasses.asdict`.

        Raises:
            DataError: unknown keys or mode, or not exactly one of episodes and chunks.
        """
        try:
            block = cls(**data)
        except TypeError as error:
            raise DataError(f"a block of a plan has keys name, mode, episodes, chunks: {error}") from error
        counts = [count for count in (block.episodes, block.chunks) if count is not None]
        if not isinstance(block.name, str) or any(type(count) is not int or count < 0 for count in counts):
            raise DataError(f"block {block.name!r}: a name is a text, episodes and chunks are whole numbers")
        if block.mode not in MODES:
            raise DataError(f"block '{block.name}': mode: {block.mode!r}, allowed: {', '.join(MODES)}")
        if (block.episodes is None) == (block.chunks is None):
            raise DataError(f"block '{block.name}': needs either episodes or chunks")
        return block


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


def evaluation_plan(episodes: int, *, steered: bool) -> tuple[Block, ...]:
    """A base checkpoint is measured on both its paths, a run on its steered one."""
    if steered:
        return (Block("final", "steer", episodes=episodes),)
    return (Block("base_c", "base_c", episodes=episodes), Block("base_z", "base_z", episodes=episodes))


def collection_plan(episodes: int) -> tuple[Block, ...]:
    """So many demonstrations of a person."""
    return (Block(DEMONSTRATIONS, "human", episodes=episodes),)


def write_plan(path: Path, blocks: Sequence[Block]) -> None:
    """Write RUN/plan.json."""
    path.write_text(json.dumps([asdict(block) for block in blocks], indent=2) + "\n", encoding="utf-8")


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
    for index, block in enumerate(blocks):
        done = trained if block.chunks is not None else sum(r.block == block.name for r in valid)
        if done < (block.chunks if block.chunks is not None else block.episodes or 0):
            return Position(index, block, done)
    return None
