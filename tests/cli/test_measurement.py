# SPDX-License-Identifier: Apache-2.0
"""What an evaluation's summary says, and what it leaves unsaid."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zprl_core.cli.closing import closing
from zprl_core.measurement import cases, comparison, modes
from zprl_core.plan import evaluation_plan
from zprl_core.records import EpisodeRecord
from zprl_core.run_folder import RunFolder
from zprl_core.summary import summarise, write_summary

Make = Callable[..., EpisodeRecord]
BOTH = ("base_c", "steer")


def _pairs(record: Make, *outcomes: tuple[str, str]) -> list[EpisodeRecord]:
    """Layouts with what the base policy and the steered one made of them."""
    found: list[EpisodeRecord] = []
    for layout, (base, steered) in enumerate(outcomes):
        for block, outcome in (("base_c", base), ("final", steered)):
            found.append(replace(record(len(found), block, outcome), layout_seed=layout))
    return found


def test_the_comparison_of_pairs(record: Make) -> None:
    records = _pairs(record, *[("failure", "success")] * 9, ("success", "horizon"), ("success", "success"))
    found = comparison(evaluation_plan(BOTH, 11), records)
    assert [found[key] for key in ("a", "b", "pairs", "both", "only_a", "only_b", "neither")] == [
        "final", "base_c", 11, 1, 9, 1, 0,
    ]  # fmt: skip
    assert found["difference"] == pytest.approx(8 / 11)
    assert found["mcnemar_p"] == pytest.approx(2 * 11 / 2**10)
    assert found["stopped_early"] is None
    assert "'steered' is better than 'base, through c' (exact McNemar test on 10 discordant" in found["says"]


def test_no_difference_shown_is_not_no_difference(record: Make) -> None:
    found = comparison(
        evaluation_plan(BOTH, 2), _pairs(record, ("failure", "success"), ("success", "success"))
    )
    assert found["says"] == (
        "no difference is shown (exact McNemar test on 1 discordant layouts: p = 1), "
        "which does not show that there is none"
    )


def test_an_evaluation_that_may_end_early_gives_no_p_value(record: Make) -> None:
    records, plan = _pairs(record, *[("failure", "success")] * 7), evaluation_plan(BOTH, 40, error_rate=0.05)
    found = comparison(plan, records)
    assert (found["mcnemar_p"], found["stopped_early"], found["error_rate"]) == (None, True, 0.05)
    assert found["e_value"] == pytest.approx(26.8125)
    assert "e = 26.8, and 1 / 0.05 = 20 decides, so that it ended early" in found["says"]
    assert "with a probability of at most 5 %, however often one looks" in found["says"]
    found = comparison(plan, records[:-2])
    assert found["stopped_early"] is False
    assert found["says"].startswith("no difference is shown (e = 14.4")


@pytest.mark.parametrize(
    ("blocks", "says"),
    [
        ((), "no episode counts: nothing was measured, neither a rate nor a difference"),
        (("final",), "only 'steered' was measured: its rate stands, and nothing follows about a difference"),
        (
            ("final", "base_c"),
            "no layout was measured with both 'steered' and 'base, through c': each rate stands by itself",
        ),
    ],
)
def test_where_nothing_can_be_compared(record: Make, blocks: tuple[str, ...], says: str) -> None:
    records = [record(n, block, "success") for n, block in enumerate(blocks)]
    records.append(replace(record(9, "base_c", "success"), shadow_chunks=5))
    records.append(record(10, "base_c", "void"))
    found = comparison(evaluation_plan(BOTH, 4), records)
    assert found["says"] == says
    assert {found[key] for key in ("both", "difference", "mcnemar_p", "e_value")} == {None}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_row_of_a_policy(record: Make) -> None:
    records = [
        record(0, "final", "success", chunks=5),
        replace(record(1, "final", "success", chunks=7), helped_chunks=2),
        replace(record(2, "final", "failure", chunks=9), end_stamp_ns=2 * 10**9 + 2 * 10**9),
        replace(record(3, "final", "void"), reason="stopped by Ada"),
        replace(record(4, "final", "void"), reason="arm 'arm': fault"),
    ]
    (row,) = modes(records)
    assert (row["episodes"], row["successes"], row["unaided_successes"]) == (3, 2, 1)
    assert (row["helped_episodes"], row["void_episodes"], row["stops"]) == (1, 2, 1)
    assert row["mean_steps"] == 16 * 7
    assert row["mean_seconds"] == pytest.approx((0.5 + 0.5 + 2.0) / 3)
    assert modes([record(0, "base_c", "void")])[0]["success_rate"] is None


def test_robustness_cases_are_a_table_of_their_own(record: Make, spec: Any) -> None:
    one = record(0, "final", "success")
    records = [
        replace(one, episode=n, layout_seed=n, outcome=outcome, case=case)
        for n, (case, outcome) in enumerate(
            [
                ("push", "success"),
                ("push", "failure"),
                ("shift", "success"),
                ("shift", "void"),
                ("far", "void"),
            ]
        )
    ]
    table = cases(records)
    assert table is not None
    assert [(row["case"], row["successes"], row["episodes"]) for row in table["rows"]] == [
        ("push", 1, 2), ("shift", 1, 1), ("far", 0, 0),
    ]  # fmt: skip
    assert table["average"] == {"final": 0.75}
    plan = evaluation_plan(("steer",), 40, cases={"push": 2, "shift": 1, "far": 1})
    summary = summarise(replace(spec, mode="evaluate"), plan, records, {})
    assert (summary["final_success_rate"], summary["evaluations"], summary["modes"]) == (None, [], [])
    assert cases([one]) is None


def _folder(
    new_folder: Callable[..., RunFolder], path: Path, records: list[EpisodeRecord], **spec: Any
) -> RunFolder:
    folder = new_folder(path, mode="evaluate", **spec)
    folder.episodes_file.write_text("".join(record.to_line() for record in records))
    return folder


def test_the_closing_words(tmp_path: Path, record: Make, new_folder: Callable[..., RunFolder]) -> None:
    records = _pairs(record, *[("failure", "success")] * 9, ("success", "success"))
    folder, plan = _folder(new_folder, tmp_path / "e", records, blind=True), evaluation_plan(BOTH, 10)
    assert closing(folder, write_summary(folder, plan, records)).splitlines()[:-1] == [
        "base, through c: 1/10 = 10 % [2, 40]; 80 steps, 0.5 s on average; 0 helped, 0 void (0 stopped)",
        "steered: 10/10 = 100 % [72, 100]; 80 steps, 0.5 s on average; 0 helped, 0 void (0 stopped)",
        "on 10 layouts: both succeeded on 1, only 'steered' on 9, only 'base, through c' on 0, neither on 0",
        "'steered' minus 'base, through c': +90 points [+49, +98]",
        "'steered' is better than 'base, through c' (exact McNemar test on 9 discordant layouts: p = 0.0039)",
    ]


def test_a_blind_evaluation_says_nothing_before_its_end(
    tmp_path: Path, record: Make, new_folder: Callable[..., RunFolder]
) -> None:
    records, plan = _pairs(record, ("failure", "success")), evaluation_plan(BOTH, 10)
    folder = _folder(new_folder, tmp_path / "blind", records, blind=True)
    said = closing(folder, write_summary(folder, plan, records))
    assert said.startswith("the evaluation is not finished, and nothing is said of the policies before it is")
    assert f"`zprl evaluate --resume --out {folder.path}`" in said
    assert "steered" not in said and "base" not in said and "%" not in said
    folder = _folder(new_folder, tmp_path / "open", records)
    assert "steered: 1/1" in closing(folder, write_summary(folder, plan, records))
