"""Success and length of the episodes so far, for two small charts and a list. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from zprl_core.records import EpisodeRecord
from zprl_core.stats import Proportion

WINDOW = 20
"""Episodes of one block over which the curve of the success rate runs."""
MOST_POINTS = 200
LISTED = 60


BLIND = "all trials"
"""What stands for every block where nobody is to know which policy drove."""


def history(records: Sequence[EpisodeRecord], *, blind: bool = False) -> dict[str, Any]:
    """What the page draws.

    Args:
        records: of the run's episodes.
        blind: as if all of them were one block's.

    Returns:
        blocks: each block's successes, trials, rate and Wilson 95 % interval, void episodes left out;
        curve: rate and interval over the last `WINDOW` episodes of the block, after each episode;
        lengths: steps and outcome of each episode; both thinned to `MOST_POINTS`, the newest kept;
        episodes: the newest first, void ones included.
    """
    if blind:
        records = [replace(record, block=BLIND) for record in records]
    valid = [record for record in records if not record.void]
    names = list(dict.fromkeys(record.block for record in valid))
    blocks = [_block(name, [r for r in valid if r.block == name]) for name in names]
    points = _thinned([_point(valid, index) for index in range(len(valid))])
    lengths = [{"episode": r.episode, "steps": r.steps, "outcome": r.outcome} for r in valid]
    listed = [_listed(record) for record in reversed(records[-LISTED:])]
    return {"blocks": blocks, "curve": points, "lengths": _thinned(lengths), "episodes": listed}


def _block(name: str, records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    steps = sum(record.steps for record in records) / len(records)
    return {"name": name, **_rate(records), "steps": round(steps, 1)}


def _rate(records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    share = Proportion(sum(record.success for record in records), len(records))
    low, high = share.wilson()
    return {
        "successes": share.successes,
        "trials": share.trials,
        "rate": round(share.rate, 4),
        "low": round(low, 4),
        "high": round(high, 4),
    }


def _point(valid: Sequence[EpisodeRecord], index: int) -> dict[str, Any]:
    last = valid[index]
    same = [
        record for record in valid[max(0, index + 1 - 10 * WINDOW) : index + 1] if record.block == last.block
    ]
    return {"episode": last.episode, "block": last.block, **_rate(same[-WINDOW:])}


def _thinned(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    stride = -(-len(points) // MOST_POINTS)
    return points[::-1][:: max(stride, 1)][::-1]


def _listed(record: EpisodeRecord) -> dict[str, Any]:
    return {
        "episode": record.episode,
        "block": record.block,
        "outcome": record.outcome,
        "steps": record.steps,
        "author": record.label_author,
        "reason": record.reason,
    }
