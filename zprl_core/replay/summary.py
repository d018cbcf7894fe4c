# SPDX-License-Identifier: Apache-2.0
"""What a replay showed, as plain data and as text for people. Says what cannot be concluded, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zprl_core.replay.analysis import CalibrationBin, ChunkRow, DifferenceRow, EpisodeRow, mean
from zprl_core.stats import percentile
from zprl_core.tables import markdown, or_none

LISTED = 10
"""Episodes that are listed of a kind."""
FEW = 20
"""Episodes below which nothing is said of a critic's calibration."""


@dataclass(frozen=True)
class PolicyResult:
    """One policy's part of a replay.

    Attributes:
        name: of the policy. rows, episodes: see `analysis`. bins: of its critics' calibration.
    """

    name: str
    rows: Sequence[ChunkRow]
    episodes: Sequence[EpisodeRow]
    bins: Sequence[CalibrationBin]


@dataclass(frozen=True)
class Comparison:
    """Two policies, chunk by chunk."""

    name: str
    other: str
    rows: Sequence[DifferenceRow]


def summarised(results: Sequence[PolicyResult], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Plain data; what is not known is None."""
    return {
        "policies": {result.name: _result(result) for result in results},
        "comparisons": [_comparison(each) for each in comparisons],
    }


def _result(result: PolicyResult) -> dict[str, Any]:
    rows, repeated = result.rows, [row for row in result.rows if row.same_actions is not None]
    differences = [row.difference for row in repeated]
    return {
        "chunks": len(rows),
        "episodes": len(result.episodes),
        "against_executed": {
            "chunks": sum(math.isfinite(row.error.position_m) for row in rows),
            "position_m": _spread([row.error.position_m for row in rows]),
            "rotation_rad": _spread([row.error.rotation_rad for row in rows]),
            "gripper_m": _spread([row.error.gripper_m for row in rows]),
        },
        "steering": {
            name: _spread([getattr(row, name) for row in rows])
            for name in ("dz_rms", "rms_ratio", "mahalanobis", "displacement", "mahalanobis_z")
        },
        "out_of_distribution": [
            f"{row.source}#{row.episode}" for row in result.episodes if row.out_of_distribution
        ],
        "calibration": [
            {name: or_none(value) for name, value in asdict(each).items()} for each in result.bins
        ],
        "inference_ms": _spread([1e3 * row.inference_s for row in rows]),
        "reproduced": {
            "chunks": len(repeated),
            "same_embedding": sum(bool(row.same_c) for row in repeated),
            "same_actions": sum(bool(row.same_actions) for row in repeated),
            "largest_difference": max(differences) if differences else None,
        },
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    rows = comparison.rows
    return {
        "policies": [comparison.name, comparison.other],
        "chunks": len(rows),
        "position_m": _spread([row.error.position_m for row in rows]),
        "rotation_rad": _spread([row.error.rotation_rad for row in rows]),
        "gripper_m": _spread([row.error.gripper_m for row in rows]),
    }


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return None
    p50, p95 = (percentile(known, percent) for percent in (50.0, 95.0))
    return {"mean": mean(known), "p50": p50, "p95": p95, "max": max(known)}


def described(
    results: Sequence[PolicyResult], comparisons: Sequence[Comparison], notes: Sequence[str]
) -> str:
    """The same for people, as Markdown."""
    parts = [_policies(results)]
    for result in results:
        parts += [f"## {result.name}\n", _episodes(result), _critics(result), _reproduced(result)]
    parts += [_compared(each) for each in comparisons]
    if notes:
        parts.append("## What to know of these bags\n\n" + "\n".join(f"- {note}" for note in notes) + "\n")
    return "# Replay\n\n" + "\n".join(part for part in parts if part)


def _policies(results: Sequence[PolicyResult]) -> str:
    header = ["policy", "chunks", "position, mm", "rotation, deg", "gripper, mm", "inference, ms"]
    text = (
        "Mean distance of what is planned now to what was executed then, over all waypoints; "
        "95th percentile over chunks.\n\n"
    )
    return text + markdown(header, [_policy(result) for result in results])


def _policy(result: PolicyResult) -> list[str]:
    rows = result.rows
    scaled = (
        ([row.error.position_m for row in rows], 1e3),
        ([row.error.rotation_rad for row in rows], 180.0 / math.pi),
        ([row.error.gripper_m for row in rows], 1e3),
        ([row.inference_s for row in rows], 1e3),
    )
    return [result.name, str(len(rows)), *[_mean_and_p95(values, scale) for values, scale in scaled]]


def _mean_and_p95(values: Sequence[float], scale: float) -> str:
    spread = _spread(values)
    return (
        "not known" if spread is None else f"{scale * spread['mean']:.3g} (p95 {scale * spread['p95']:.3g})"
    )


def _episodes(result: PolicyResult) -> str:
    rows = result.episodes
    if not rows:
        return "Nothing was planned, so nothing can be said.\n"
    if all(row.out_of_distribution is None for row in rows):
        return (
            "The base policy has no distribution of its offline latents, so it is not known which episodes "
            "look unlike the demonstrations (`zprl pretrain --latents` adds it).\n"
        )
    far = [row for row in rows if row.out_of_distribution]
    text = (
        f"{len(far)} of {len(rows)} episodes look unlike the demonstrations: surely more than 1 % of their "
        "latents z lie where 1 % of the offline ones do (Mahalanobis distance, exact 95 %).\n\n"
    )
    header = [
        "episode",
        "outcome",
        "chunks",
        "beyond",
        "distance",
        "position, mm",
        "Q",
        "value that followed",
    ]
    return text + markdown(header, [_episode(row) for row in rows[:LISTED]])


def _episode(row: EpisodeRow) -> list[str]:
    return [
        f"{row.source} {row.episode}",
        row.outcome or "unknown",
        str(row.chunks),
        f"{row.far}",
        _number(row.distance, 1.0),
        _number(row.position_m, 1e3),
        _number(row.q, 1.0),
        _number(row.value, 1.0),
    ]


def _number(value: float, scale: float) -> str:
    return f"{scale * value:.3g}" if math.isfinite(value) else "-"


def _critics(result: PolicyResult) -> str:
    if not any(row.q for row in result.rows):
        return "A base policy has no critics, so nothing is said of Q.\n"
    ended = {(row.source, row.episode) for row in result.rows if math.isfinite(row.value)}
    if len(ended) < FEW:
        return (
            f"{len(ended)} episodes with a success or a failure: too few to say how Q is calibrated, "
            f"at least {FEW} are needed.\n"
        )
    header = ["Q, from", "to", "chunks", "episodes", "mean Q", "mean value that followed", "difference"]
    note = (
        "Mean Q of the critics for what is planned now, beside the discounted reward that followed what was "
        "executed then; episodes that timed out are left out. Where the executed policy was another one, a "
        "difference need not be an error of the critics. ± is two standard errors over episodes.\n\n"
    )
    return note + markdown(header, [_bin(each) for each in result.bins])


def _bin(each: CalibrationBin) -> list[str]:
    gap = each.q - each.value
    return [
        f"{each.low:.3g}",
        f"{each.high:.3g}",
        str(each.chunks),
        str(each.episodes),
        f"{each.q:.3g}",
        f"{each.value:.3g} ± {2.0 * each.error:.2g}"
        if math.isfinite(each.error)
        else f"{each.value:.3g}, ± not known",
        f"{gap:+.3g}",
    ]


def _reproduced(result: PolicyResult) -> str:
    rows = [row for row in result.rows if row.same_actions is not None]
    if not rows:
        return "The bags do not hold what was planned then, so whether it is planned again is not known.\n"
    same_c, same = sum(bool(row.same_c) for row in rows), sum(bool(row.same_actions) for row in rows)
    worst = max(row.difference for row in rows)
    return (
        f"Of {len(rows)} chunks whose plan was recorded, {same_c} have the same embedding now, and with the "
        f"recorded z~ and w {same} the same actions, bit for bit; the largest difference is {worst:.2g}.\n"
    )


def _compared(comparison: Comparison) -> str:
    rows = comparison.rows
    title = f"## {comparison.name} beside {comparison.other}\n\n"
    if not rows:
        return title + "No chunk was planned by both.\n"
    position = _mean_and_p95([row.error.position_m for row in rows], 1e3)
    rotation = _mean_and_p95([row.error.rotation_rad for row in rows], 180.0 / math.pi)
    gripper = _mean_and_p95([row.error.gripper_m for row in rows], 1e3)
    worst = sorted(rows, key=lambda row: -row.error.position_m)[:LISTED]
    text = (
        f"{len(rows)} chunks from the same snapshots with the same w: they differ by {position} mm, "
        f"{rotation} deg, gripper {gripper} mm. Where they differ most:\n\n"
    )
    header = ["episode", "chunk", "position, mm", f"Q of {comparison.name}", f"Q of {comparison.other}"]
    listed = [[f"{row.source} {row.episode}", str(row.chunk), *_numbers(row)] for row in worst]
    return title + text + markdown(header, listed)


def _numbers(row: DifferenceRow) -> list[str]:
    return [_number(row.error.position_m, 1e3), _number(row.q, 1.0), _number(row.other_q, 1.0)]
