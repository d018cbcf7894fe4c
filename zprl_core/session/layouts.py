"""Which layout an episode gets."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence

from zprl_core.plan import Position
from zprl_core.records import EpisodeRecord


def layout_seed(run_seed: int, kind: str, index: int) -> int:
    """The seed that draws a layout: a hash of (run seed, `kind`, index), in [0, 2^63).

    Layouts of a kind ("training", "evaluation", "demonstration") are no other kind's.
    """
    digest = hashlib.blake2b(f"{run_seed}/{kind}/{index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def next_layout_seed(
    run_seed: int, position: Position, records: Sequence[EpisodeRecord], presets: Sequence[int] = ()
) -> int:
    """The layout of the next episode at ``position``.

    Args:
        run_seed: of the run.
        position: where it stands.
        records: of the episodes so far.
        presets: seeds of preset layouts, which evaluation blocks go through instead of drawn ones, and then
            through drawn ones.

    Every evaluation block runs through the same layouts, so that modes and robustness cases are compared on
    equal terms; training goes on through others, and a person demonstrates on others again. A void episode
    does not use its layout up.
    """
    block = position.block
    kind = "training" if block.learns else "demonstration" if block.mode == "human" else "evaluation"
    used = {record.layout_seed for record in records if block.holds(record) and not record.void}
    drawn = (layout_seed(run_seed, kind, index) for index in itertools.count())
    seeds = itertools.chain(presets, drawn) if kind == "evaluation" else drawn
    return next(seed for seed in seeds if seed not in used)
