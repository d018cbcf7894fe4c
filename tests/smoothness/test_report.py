"""Means, intervals, ratios to the base policy, and the paper's Table II, from episodes made up by hand."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprl_core.records import EpisodeRecord
from zprl_core.smoothness import Smoothness, Spread
from zprl_core.smoothness.episode import MotionRecord
from zprl_core.smoothness.estimates import LEAST, mean, ratio
from zprl_core.smoothness.policy_steps import PolicySteps
from zprl_core.smoothness.report import MEASURES, Row, evaluations, groups, rows
from zprl_core.smoothness.writing import text, write


def record(episode: int, block: str, mode: str, outcome: str = "success", **more: int) -> EpisodeRecord:
    return EpisodeRecord(
        episode=episode,
        block=block,
        mode=mode,
        layout_seed=episode,
        outcome=outcome,  # type: ignore[arg-type]
        steps=100,
        chunks=7,
        start_stamp_ns=0,
        end_stamp_ns=1,
        label_author="judge",
        **more,
    )


def motion(episode: int, velocity: float, arm: str = "arm", **more: float) -> MotionRecord:
    spread = Spread(velocity, velocity, velocity)
    known = Smoothness(1.0, 60, spread, spread, spread, spread, spread, spread, sparc=-2.0)
    return MotionRecord(
        episode, arm, "success", PolicySteps(100, velocity, 20 * velocity), known, known, **more
    )  # type: ignore[arg-type]


def run(name: str, final: float) -> list[Row]:
    """Six episodes of the base policy, four of training, six of an evaluation in which Vel_EE is `final`."""
    plan = (
        [("base_c", "base_c", 0.1)] * 6 + [("train", "explore", 0.4)] * 4 + [("eval_1", "steer", final)] * 6
    )
    records = [record(n, block, mode) for n, (block, mode, _) in enumerate(plan)]
    moved = [motion(n, speed * (1.1 if n % 2 else 0.9)) for n, (_, _, speed) in enumerate(plan)]
    return rows(name, records, moved)


def test_blocks_in_order_with_their_ratio_to_the_base() -> None:
    base, train, evaluated = groups(run("zprl", 0.2))
    assert [g.block for g in (base, train, evaluated)] == ["base_c", "train", "eval_1"]
    assert [g.env_steps for g in (base, train, evaluated)] == [0, 0, 400]
    assert [g.episodes for g in (base, train, evaluated)] == [6, 4, 6]
    assert base.means["vel_ee"].value == pytest.approx(0.1)
    assert evaluated.means["acc_ee"].value == pytest.approx(4.0)
    gained = evaluated.ratios["vel_ee"]
    assert gained.value == pytest.approx(2.0) and gained.n == 6
    assert gained.low is not None and gained.high is not None
    assert 1.7 < gained.low < 2.0 < gained.high < 2.3
    assert train.means["vel_ee"].low is None  # of four episodes nothing is said
    assert base.ratios["measured_sparc"].value == pytest.approx(1.0)


def test_what_does_not_count() -> None:
    found = run("zprl", 0.2)
    spoilt = [
        Row("zprl", record(90, "eval_1", "steer", "void"), motion(90, 9.0), 400),
        Row("zprl", record(91, "eval_1", "steer", shadow_chunks=1), motion(91, 9.0), 400),
        Row("zprl", record(92, "eval_1", "steer", helped_chunks=1), motion(92, 9.0), 400),
        Row("zprl", record(93, "eval_1", "steer"), motion(93, 9.0, human_share=0.1), 400),
    ]
    assert groups(found + spoilt) == groups(found)


def test_a_run_without_the_base_policy_is_held_against_the_others() -> None:
    found = run("zprl", 0.2)
    alone = [replace(row, run="po_dec") for row in run("zprl", 0.3) if row.record.mode == "steer"]
    (other,) = [group for group in groups(found + alone) if group.run == "po_dec"]
    assert other.ratios["vel_ee"].value == pytest.approx(3.0)
    (nothing,) = groups(alone)
    assert nothing.ratios["vel_ee"].value is None


def test_a_robustness_case_is_no_base_for_plain_layouts() -> None:
    """A pushed object makes another motion; it is held against the same case."""
    plain = run("zprl", 0.2)
    cases = [
        Row("cases", replace(record(40 + n, block, mode), case="pushed"), motion(40 + n, speed), 0)
        for block, mode, speed in (("base_c", "base_c", 0.5), ("final", "steer", 1.0))
        for n in (range(6) if mode == "base_c" else range(6, 12))
    ]
    alone = [replace(row, run="alone") for row in run("x", 0.3) if row.record.mode == "steer"]
    found = {(g.run, g.block, g.case): g.ratios["vel_ee"].value for g in groups(plain + cases + alone)}
    assert found["alone", "eval_1", ""] == pytest.approx(3.0)
    assert found["cases", "final", "pushed"] == pytest.approx(2.0)


def test_table_two_has_a_run_beside_the_other() -> None:
    found = groups(run("po_dec", 0.3) + run("zprl", 0.2))
    table = evaluations(found)
    assert list(table) == ["base_c", "eval_1"] and list(table["eval_1"]) == ["po_dec", "zprl"]
    shown = text(found, "base_c").split("Vel_EE and Acc_EE over training, arm arm")[1]
    assert "[po_dec ¦ zprl]" in shown
    line = next(line for line in shown.splitlines() if line.startswith("| eval_1"))
    steps, vel, acc = (cell.strip() for cell in line.split("|")[2:5])
    assert steps == "400 ¦ 400"
    assert vel.startswith("0.3 [") and "¦ 0.2 [" in vel
    assert acc.startswith("6 [") and "¦ 4 [" in acc


def test_two_arms_are_two_groups() -> None:
    records = [record(0, "base_c", "base_c")]
    found = groups(rows("run", records, [motion(0, 0.1, "left"), motion(0, 0.3, "right")]))
    assert [(g.arm, g.means["vel_ee"].value) for g in found] == [("left", 0.1), ("right", 0.3)]


def test_an_episode_without_a_record_is_left_out() -> None:
    assert [row.motion.episode for row in rows("r", [record(0, "train", "explore")],
                                               [motion(0, 0.1), motion(1, 0.1)])] == [0]  # fmt: skip


def test_the_files(tmp_path: Path) -> None:
    found = run("zprl", 0.2)
    shown = write(tmp_path, found, groups(found), "base_c")
    assert (tmp_path / "smoothness.md").read_text() == shown
    table = list(csv.DictReader((tmp_path / "episodes.csv").open()))
    assert len(table) == 16 and float(table[0]["vel_ee"]) == pytest.approx(0.09)
    assert table[15]["env_steps"] == "400" and set(MEASURES) <= set(table[0])
    content = json.loads((tmp_path / "smoothness.json").read_text())
    assert content["groups"][2]["ratios"]["vel_ee"]["value"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("mode", "why"), [("human", "a person moved the arms"), ("steer", "void, with the motors off")]
)
def test_without_motion_by_a_policy_a_line_says_why(tmp_path: Path, mode: str, why: str) -> None:
    records = [record(n, "demonstrations", mode, helped_chunks=7) for n in range(4)]
    found = rows("demos", records, [motion(n, 0.1, human_share=1.0) for n in range(4)])
    shown = write(tmp_path, found, groups(found), "base_c")
    assert shown.startswith("no motion by a policy") and f"all 4 left out, {why}" in shown
    assert len(shown.splitlines()) == 1 and "|" not in shown
    assert len((tmp_path / "episodes.csv").read_text().splitlines()) == 5


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.1, 10.0), min_size=LEAST, max_size=30), st.floats(0.5, 3.0))
def test_intervals_hold_their_value_and_scale(values: list[float], factor: float) -> None:
    found, scaled = mean(values), mean([factor * value for value in values])
    assert found.low is not None and found.high is not None and found.value is not None
    assert found.low <= found.value + 1e-9 and found.value <= found.high + 1e-9
    assert scaled.low == pytest.approx(factor * found.low)
    against = ratio([factor * value for value in values], values)
    assert against.value == pytest.approx(factor)


def test_an_interval_covers_what_it_should() -> None:
    """Of 400 samples of 40 normal episodes about 95 % hold the true mean."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        found = mean(rng.normal(1.0, 0.3, 40).tolist())
        assert found.low is not None and found.high is not None
        held += found.low <= 1.0 <= found.high
    assert 0.90 < held / 400 < 0.98


def test_without_episodes_there_is_no_number() -> None:
    assert mean([]).value is None and ratio([], [1.0]).value is None and ratio([1.0], [0.0]).value is None
