# SPDX-License-Identifier: Apache-2.0
"""What an evaluation showed: rates per policy, the policies against each other on the same layouts, and the
robustness cases. Pure; RUN/summary.json holds it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from zprl_core.pairing import pair
from zprl_core.plan import MEASURED, TRAIN, Block, stopped_early
from zprl_core.records import EpisodeRecord
from zprl_core.stats import Pairs, Proportion, e_value, mcnemar, paired_difference
from zprl_core.stops import is_stop

NAMES = {"base_c": "base, through c", "base_z": "base, through z", "final": "steered"}
"""What people call the policies, by block."""
_LEVEL = 0.05
_CASES_ONLY = "only robustness cases were measured: their rates stand, each by itself"


def measured(records: Sequence[EpisodeRecord], block: str, case: str = "") -> list[EpisodeRecord]:
    """The episodes of a block and a robustness case that say how well the policy does: no void ones, and none
    with the motors off.
    """
    return [record for record in records if (record.block, record.case) == (block, case) and record.counts]


def proportion(records: Sequence[EpisodeRecord], block: str, case: str = "") -> Proportion:
    """Successes of a block; void episodes, and those with the motors off, are left out."""
    valid = measured(records, block, case)
    return Proportion(sum(record.success for record in valid), len(valid))


def unaided(records: Sequence[EpisodeRecord], block: str) -> Proportion:
    """The same without a person's help."""
    valid = measured(records, block)
    return Proportion(sum(record.unaided for record in valid), len(valid))


def modes(records: Sequence[EpisodeRecord]) -> list[dict[str, Any]]:
    """What was measured without a robustness case, block by block."""
    found = dict.fromkeys(record.block for record in records if record.block != TRAIN and not record.case)
    return [row(records, block) for block in sorted(found, key=_place)]


def cases(records: Sequence[EpisodeRecord]) -> dict[str, Any] | None:
    """The robustness cases, as in the paper's Table IV; None where none was measured.

    Returns:
        rows: one a case and block; average: of the cases' rates, by block.
    """
    staged: dict[str, set[str]] = {}
    for record in records:
        if record.case:
            staged.setdefault(record.case, set()).add(record.block)
    rows = [
        row(records, block, case) for case, blocks in staged.items() for block in sorted(blocks, key=_place)
    ]
    if not rows:
        return None
    rates: dict[str, list[float]] = {}
    for one in rows:
        if one["success_rate"] is not None:
            rates.setdefault(one["block"], []).append(one["success_rate"])
    return {"rows": rows, "average": {block: sum(found) / len(found) for block, found in rates.items()}}


def _place(block: str) -> int:
    """Base before steered, and the evaluations inside training, as they came, between them."""
    return {"base_c": 0, "base_z": 1, "final": 3}.get(block, 2)


def row(records: Sequence[EpisodeRecord], block: str, case: str = "") -> dict[str, Any]:
    """One policy, in one case: success, length, time, help, stops. What was not measured is None."""
    own = [record for record in records if (record.block, record.case) == (block, case)]
    valid, p = measured(records, block, case), proportion(records, block, case)
    void = [record for record in own if record.void]
    return {
        "block": block,
        "mode": own[0].mode if own else "",
        "case": case,
        "episodes": p.trials,
        "successes": p.successes,
        "success_rate": p.rate if p.trials else None,
        "wilson95": list(p.wilson()) if p.trials else None,
        "unaided_successes": sum(record.unaided for record in valid),
        "helped_episodes": sum(record.helped_chunks > 0 for record in valid),
        "mean_steps": _mean([record.steps for record in valid]),
        "mean_seconds": _mean([1e-9 * (record.end_stamp_ns - record.start_stamp_ns) for record in valid]),
        "void_episodes": len(void),
        "stops": sum(is_stop(record.reason) for record in void),
    }


def comparison(blocks: Sequence[Block], records: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """Steered against base, or the base's two paths, on the layouts that both had.

    Returns:
        a, b: blocks that are compared; pairs, both, only_a, only_b, neither: layouts; difference: of the
        rates on these, a minus b; difference95: Newcombe's paired interval; mcnemar_p: None where the
        evaluation could end early, since it counts on a number of layouts that was fixed before; e_value:
        see `zprl_core.stats.e_value`; error_rate, stopped_early: of that rule; says: in words, what follows
        and what does not. All but `says` are None where there is nothing to compare.
    """
    error_rate = next((block.error_rate for block in blocks if block.error_rate is not None), None)
    names = [name for name in MEASURED.values() if proportion(records, name).trials]
    none = dict.fromkeys(
        ("a", "b", "pairs", "both", "only_a", "only_b", "neither", "difference", "difference95", "mcnemar_p",
         "e_value", "stopped_early"),
    )  # fmt: skip
    if len(names) < 2:
        says = _CASES_ONLY if not names and any(record.case for record in records) else _alone(names)
        return {**none, "error_rate": error_rate, "says": says}
    a, b = names[-1], names[0]
    pairs = pair(measured(records, a), measured(records, b))
    known = {**none, "a": a, "b": b, "pairs": pairs.count, "error_rate": error_rate}
    if not pairs.count:
        says = f"no layout was measured with both '{NAMES[a]}' and '{NAMES[b]}': each rate stands by itself"
        return {**known, "says": says}
    early = stopped_early(blocks, records)
    evidence = e_value(pairs)
    return {
        **known,
        "both": pairs.both,
        "only_a": pairs.only_a,
        "only_b": pairs.only_b,
        "neither": pairs.neither,
        "difference": pairs.a.rate - pairs.b.rate,
        "difference95": list(paired_difference(pairs)),
        "mcnemar_p": mcnemar(pairs) if error_rate is None else None,
        "e_value": evidence if math.isfinite(evidence) else None,
        "stopped_early": early if error_rate is not None else None,
        "says": _tested(a, b, pairs) if error_rate is None else _sequential(a, b, pairs, error_rate, early),
    }


def _alone(names: Sequence[str]) -> str:
    if not names:
        return "no episode counts: nothing was measured, neither a rate nor a difference"
    return f"only '{NAMES[names[0]]}' was measured: its rate stands, and nothing follows about a difference"


def _tested(a: str, b: str, pairs: Pairs) -> str:
    p = mcnemar(pairs)
    test = f"exact McNemar test on {pairs.only_a + pairs.only_b} discordant layouts: p = {p:.2g}"
    if p < _LEVEL:
        better, worse = (a, b) if pairs.only_a > pairs.only_b else (b, a)
        return f"'{NAMES[better]}' is better than '{NAMES[worse]}' ({test})"
    return f"no difference is shown ({test}), which does not show that there is none"


def _sequential(a: str, b: str, pairs: Pairs, error_rate: float, early: bool) -> str:
    evidence = f"e = {e_value(pairs):.3g}, and 1 / {error_rate:g} = {1 / error_rate:g} decides"
    rule = (
        "were both equally good, this rule would ever stop with a probability of at most "
        f"{100 * error_rate:g} %, however often one looks"
    )
    if not early:
        return f"no difference is shown ({evidence}); {rule}"
    better, worse = (a, b) if pairs.only_a > pairs.only_b else (b, a)
    return (
        f"'{NAMES[better]}' is better than '{NAMES[worse]}': {evidence}, so that it ended early; {rule}. "
        "Rates and intervals are those of a fixed number of layouts: after an early end they favour who was "
        "ahead"
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
