# SPDX-License-Identifier: Apache-2.0
"""A blind evaluation: the page is the same, to the byte, whichever policy drives."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.panel.bench import CELL as BENCH_CELL
from tests.panel.bench import Bench, running
from tests.panel.chrome import Desk, chromium, needed
from tests.panel.messages import CELL, healthy, policy, session
from zprl_core.config import load_task
from zprl_core.plan import Block, Trial, evaluation_plan, trial
from zprl_core.records import EpisodeRecord, read_records
from zprl_panel.history import history
from zprl_panel.view import view

BLIND = replace(CELL, blind=True)
TELLING = ("base", "steer", "final", "lambda", "guard", "explore", "perturbation", "displacement")
STEERED = policy(
    guard="mahalanobis", lambda_scale=0.6, perturbation_rms_ratio=0.3, mahalanobis=2.0, inference_s=0.031
)
BASE = policy(perturbation_rms_ratio=math.nan, feature_displacement=math.nan, inference_s=0.022)
DRIVES = {"base_c": ("base_c", BASE), "final": ("steer", STEERED)}


def shown(block: str, cell=CELL) -> str:  # type: ignore[no-untyped-def]
    """What the page is sent while this policy drives its second trial."""
    mode, status = DRIVES[block]
    latest = healthy(100.0, cell)
    latest.on_session(session("running", block=block, mode=mode), 100.0, 100.0, Trial(4, 200))
    latest.on_policy(status, 100.0, 100.0)
    other = "final" if block == "base_c" else "base_c"
    records = [_record(0, block, "success"), _record(1, other, "failure"), _record(2, other, "void")]
    told = [view(latest, 101.0, 101.0), history(records, blind=cell.blind)]
    return json.dumps(told, allow_nan=False, sort_keys=True)


def _record(episode: int, block: str, outcome: str) -> EpisodeRecord:
    return EpisodeRecord(
        episode=episode,
        block=block,
        mode=DRIVES[block][0],
        layout_seed=0,
        outcome=outcome,
        steps=64,
        chunks=4,
        start_stamp_ns=0,
        end_stamp_ns=1,
        label_author="operator-1",
    )


def test_the_page_is_the_same_whichever_policy_drives() -> None:
    assert shown("base_c", BLIND) == shown("final", BLIND)
    told = json.loads(shown("final", BLIND))
    assert told[0]["session"]["place"] == "trial 4 of 200"
    assert told[0]["policy"] is None
    assert not {"mode", "block"} & set(told[0]["session"])
    for word in TELLING:
        assert word not in shown("final", BLIND).replace('"block": "all trials"', ""), word


def test_an_open_evaluation_tells() -> None:
    assert shown("base_c") != shown("final")
    told = json.loads(shown("final"))
    assert told[0]["session"]["place"] == "trial 4 of 200, final"
    assert told[0]["session"]["mode"] == "steer" and told[0]["policy"]["lambda_scale"] == 0.6


def test_the_operator_is_told_what_to_do_in_a_robustness_case() -> None:
    task = load_task("open_box")
    case = task.evaluation.cases[1]
    corners = {"third_view": ((0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0))}
    cell = replace(BLIND, region=task.region, corners=corners, cases={case.name: case})
    latest = healthy(100.0, cell)
    latest.on_session(session("ready", layout_seed=3), 100.0, 100.0, Trial(2, 20, case.name))
    told = view(latest, 101.0, 101.0)["session"]
    assert told["place"] == "trial 2 of 20"
    assert told["case"] == f"ood_position: {case.description}"
    latest.on_session(session("ready", layout_seed=3), 100.0, 100.0, Trial(2, 20))
    assert view(latest, 101.0, 101.0)["session"]["overlay"] != told["overlay"]  # as in training


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@needed
def test_an_operator_at_the_page_sees_trials_and_no_policy(browser: Browser, tmp_path: Path) -> None:
    cases = {case.name: case for case in load_task("place_orange").evaluation.cases}
    plan: tuple[Block, ...] = evaluation_plan(("base_c", "steer"), 40, cases={"model_orange": 2})
    bench = Bench(tmp_path / "episodes.jsonl", plan, replace(BENCH_CELL, blind=True, cases=cases))
    seen = []
    with running(tmp_path, bench) as panel:
        desk = Desk(browser, panel.link)
        desk.take_control()
        for number, label in enumerate(("success", "failure", "success"), start=1):
            desk.press("start")
            place = f"trial {number} of 4"
            desk.until(lambda place=place: place in desk.text("episode"), place)
            desk.until(
                lambda: "Case model_orange: Lay out the plastic" in desk.text("banners"), "what is to be done"
            )
            status = DRIVES[bench.session.view.block][1]
            panel.loop.call_soon_threadsafe(bench.latest.on_policy, status, time.monotonic(), time.time())
            desk.press("begin")
            desk.press(label)
            desk.until(lambda label=label: desk.text("word") == f"Labelled: {label}", label)
            seen.append(desk.page.evaluate("() => document.body.innerText + document.title"))
        desk.until(lambda: "all trials" in desk.text("blocks"), "the rate of all trials together")
        seen.append(desk.page.evaluate("() => document.body.innerText"))
        assert desk.complaints == []
    for text in seen:
        assert not [word for word in TELLING if word in text.lower()]
    records = read_records(tmp_path / "episodes.jsonl")
    assert {record.block for record in records} == {"base_c", "final"}  # the truth is in the records
    assert trial(plan, records, 3) == Trial(4, 4, "model_orange")
