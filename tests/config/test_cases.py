# SPDX-License-Identifier: Apache-2.0
"""Robustness cases in task files: what is allowed, the paper's Table IV, and layouts outside the ranges."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.config import CaseConfig, load_rig, load_task
from zprl_core.config.region import RegionConfig, RegionObject
from zprl_core.errors import ConfigError
from zprl_core.layout import draw
from zprl_core.wanted_evaluation import cases, check_error_rate, modes

TABLE_IV = {
    "place_orange": [("human_disturbance", "disturbance"), ("model_orange", "new_object")],
    "flip_egg": [
        ("human_disturbance", "disturbance"),
        ("different_shape", "new_object"),
        ("different_color", "new_object"),
        ("real_egg", "new_object"),
    ],
    "open_box": [("human_disturbance", "disturbance"), ("ood_position", "shifted_layout")],
    "insert_bills": [("visual_distractors", "distractors"), ("human_disturbance", "disturbance")],
}


@pytest.mark.parametrize("task", TABLE_IV)
def test_the_cases_of_table_iv(task: str) -> None:
    found = load_task(task).evaluation.cases
    assert [(case.name, case.kind) for case in found] == TABLE_IV[task]
    assert {case.trials for case in found} == {10}  # paper V-D
    assert all(case.description.endswith(".") for case in found)


def test_the_offsets_of_open_box() -> None:
    case = load_task("open_box").evaluation.case("ood_position")
    assert case is not None and (case.beyond_m, case.beyond_deg) == (0.02, 10.0)  # paper V-D


def test_an_evaluation_of_a_real_task_is_the_papers() -> None:
    """40 episodes at fixed intervals inside training (paper V-D)."""
    for task in TABLE_IV:
        evaluation = load_task(task).evaluation
        assert evaluation.episodes == 40
        assert evaluation.every_chunks is not None and evaluation.every_chunks < load_task(task).budget.chunks


GOOD = {"name": "push", "kind": "disturbance", "description": "Push it."}


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ([{**GOOD, "name": "all"}], r"cases\[0\].name: 'all', allowed: small letters"),
        ([{**GOOD, "name": "a, b"}], "'a, b', allowed: small letters"),
        ([GOOD, GOOD], "the name 'push' stands twice"),
        ([{**GOOD, "trials": 0}], "trials: 0 is out of range, allowed: at least 1"),
        ([{**GOOD, "kind": "shifted_layout"}], "shifted_layout: beyond_m and beyond_deg belong to"),
        ([{**GOOD, "beyond_m": 0.02}], "disturbance: beyond_m and beyond_deg belong to shifted_layout"),
        ([{**GOOD, "kind": "wind"}], "'wind' is not allowed. Allowed: disturbance, new_object"),
        ([{**GOOD, "simulation": {}}], "a case of kind disturbance needs push_m here, or null"),
        ([{**GOOD, "simulation": {"push_m": [0.05, 0.01]}}], "the first number is above the second"),
        ([{**GOOD, "kind": "distractors", "simulation": {"colour": [1, 1, 1]}}], "needs distractors here"),
        ([{**GOOD, "kind": "new_object", "simulation": {}}], "needs radius_m or colour here"),
        ([{"name": "push"}], "kind: missing"),
    ],
)
def test_a_case_that_contradicts_itself(tmp_path: Path, cases: list[Any], said: str) -> None:
    path = tmp_path / "task.yaml"
    path.write_text(
        yaml.safe_dump({"extends": "place_orange_demo", "name": "t", "evaluation": {"cases": cases}})
    )
    with pytest.raises(ConfigError, match=said):
        load_task(str(path))


def test_a_task_with_cases_survives_its_file(tmp_path: Path) -> None:
    task, path = load_task("place_orange_demo"), tmp_path / "task.yaml"
    path.write_text(yaml.safe_dump(task.to_dict()))
    assert load_task(str(path)) == task


def test_cases_by_name() -> None:
    rig, task = load_rig("sim_xarm6"), load_task("place_orange_demo")
    assert [case.name for case in cases(rig, task, ["distractors", "distractors"], "")] == ["distractors"]
    assert cases(rig, task, ["all"], "") == task.evaluation.cases
    assert cases(rig, task, [], "") == ()
    with pytest.raises(ConfigError, match=r"'distractor' is not among .*; did you mean 'distractors'"):
        cases(rig, task, ["distractor"], "")
    with pytest.raises(ConfigError, match="task can has no robustness cases"):
        cases(rig, load_task("can"), ["all"], "")
    with pytest.raises(ConfigError, match="'real_egg' of task flip_egg: the simulated scene cannot stage it"):
        cases(rig, load_task("flip_egg"), ["real_egg"], "")
    with pytest.raises(ConfigError, match="the teleoperation page shows where objects lie in training"):
        cases(rig, task, ["shifted_tray"], "127.0.0.1:8780")


def test_what_is_measured() -> None:
    run = Path("runs/my/run")
    assert modes(None, run, steered=True) == ("base_c", "steer")
    assert modes(None, run, steered=False) == ("base_c", "base_z")
    assert modes("steered", run, steered=True) == ("steer",)
    assert modes("base", run, steered=False) == ("base_c",)
    with pytest.raises(ConfigError, match="--only steered: runs/my/run is no run"):
        modes("steered", run, steered=False)
    with pytest.raises(ConfigError, match="'best': allowed: steered, base, base_z"):
        modes("best", run, steered=True)


def test_ending_early_compares_two_and_needs_a_rate() -> None:
    check_error_rate(None, ("steer",), ())
    check_error_rate(0.05, ("base_c", "steer"), ())
    with pytest.raises(ConfigError, match=r"error rate 1.0: allowed: between 0 and 1"):
        check_error_rate(1.0, ("base_c", "steer"), ())
    with pytest.raises(ConfigError, match="compares two policies"):
        check_error_rate(0.05, ("steer",), ())
    with pytest.raises(ConfigError, match="a fixed number of trials"):
        check_error_rate(0.05, ("base_c", "steer"), load_task("flip_egg").evaluation.cases)


BOX = RegionConfig(
    size_m=(0.35, 0.20),
    objects=(
        RegionObject(
            name="box", x_m=(-0.1, 0.1), y_m=(-0.05, 0.05), yaw_deg=(-10.0, 10.0), size_m=(0.2, 0.1)
        ),
        RegionObject(name="pen", x_m=(0.0, 0.1), y_m=(0.0, 0.1), size_m=(0.1, 0.01)),
    ),
)


@given(st.integers(0, 2**63 - 1), st.sampled_from([(0.02, 0.0), (0.0, 10.0), (0.02, 10.0)]))
def test_a_shifted_layout_is_outside_by_what_the_case_says(seed: int, beyond: tuple[float, float]) -> None:
    case = CaseConfig(
        name="far", kind="shifted_layout", description="Far.", beyond_m=beyond[0], beyond_deg=beyond[1]
    )
    usual, (box, pen) = draw(BOX, seed), draw(BOX, seed, case)
    assert pen == usual[1] and (box, pen) == draw(BOX, seed, case)
    moved = [abs(box.x_m) == pytest.approx(0.12), abs(box.y_m) == pytest.approx(0.07)]
    turned = abs(math.degrees(box.yaw_rad)) == pytest.approx(20.0)
    assert sum(moved) + turned == 1
    assert turned <= (beyond[1] > 0.0) and sum(moved) <= (beyond[0] > 0.0)


def test_a_shifted_layout_goes_every_way() -> None:
    case = load_task("open_box").evaluation.case("ood_position")
    places = [draw(BOX, seed, case)[0] for seed in range(200)]
    ways = {(round(p.x_m, 3), round(p.y_m, 3), round(p.yaw_rad, 3)) for p in places}
    assert len({x for x, _, _ in ways if abs(x) > 0.1}) == 2
    assert len({y for _, y, _ in ways if abs(y) > 0.05}) == 2
    assert 60 < sum(abs(yaw) > math.radians(10.1) for _, _, yaw in ways) < 140
