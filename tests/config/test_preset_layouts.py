# SPDX-License-Identifier: Apache-2.0
"""Layouts that somebody chose: read, checked, gone through in their order, and laid out where they say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from zprl_arms.drivers.sim import SimArm
from zprl_core.config import load_rig, load_task
from zprl_core.errors import ConfigError
from zprl_core.layout import Placement, describe, draw
from zprl_core.plan import Block, Position, evaluation_plan, position
from zprl_core.records import EpisodeRecord
from zprl_core.session import layout_seed
from zprl_core.session.layouts import next_layout_seed
from zprl_core.wanted_evaluation import layouts_of, with_layouts

LEFT = "- {name: left edge, places: [{object: orange half, x_m: -0.1, y_m: 0.02}]}"
MIDDLE = "- {name: middle, places: [{object: orange half, x_m: 0.0, y_m: 0.0}]}"
RIG = load_rig("sim_xarm6")


def _file(folder: Path, *lines: str) -> Path:
    path = folder / "layouts.yaml"
    path.write_text("\n".join(["layouts:", *lines]))
    return path


def test_both_policies_go_through_them_in_their_order(tmp_path: Path) -> None:
    task = with_layouts(RIG, load_task("place_orange_demo"), _file(tmp_path, LEFT, MIDDLE))
    presets = [preset.seed for preset in task.region.presets]
    plan = evaluation_plan(("base_c", "steer"), layouts_of(task, None), seed=3)
    records: list[EpisodeRecord] = []
    while (place := position(plan, records)) is not None:
        seed = next_layout_seed(3, place, records, presets)
        records.append(_record(len(records), place.block.name, place.block.mode, seed))
    assert [record.layout_seed for record in records] == [seed for seed in presets for _ in range(2)]


def test_a_preset_is_laid_out_where_it_says(tmp_path: Path) -> None:
    task = with_layouts(RIG, load_task("place_orange_demo"), _file(tmp_path, LEFT, MIDDLE))
    left, middle = task.region.presets
    assert left.seed != middle.seed
    assert draw(task.region, left.seed) == (Placement("orange half", -0.1, 0.02, 0.0),)
    assert describe(draw(task.region, left.seed)) == "orange half: 10.0 cm left, 2.0 cm far"
    assert draw(task.region, 5) == draw(load_task("place_orange_demo").region, 5)
    arm = SimArm(task)
    arm.reset(left.seed)  # far is towards the arm, left is the base's -y, on a tray around (0.415, -0.095)
    assert arm.world().qpos[8:10] == pytest.approx((0.395, -0.195), abs=1e-3)
    arm.reset(middle.seed)
    assert arm.world().qpos[8:10] == pytest.approx((0.415, -0.095), abs=1e-3)


def test_a_run_folder_keeps_them(tmp_path: Path) -> None:
    task = with_layouts(RIG, load_task("place_orange_demo"), _file(tmp_path, LEFT, MIDDLE))
    path = tmp_path / "task.yaml"
    path.write_text(yaml.safe_dump(task.to_dict()))
    kept = load_task(str(path))
    assert kept == task
    assert [preset.seed for preset in kept.region.presets] == [preset.seed for preset in task.region.presets]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([LEFT, LEFT], "presets[0].name: 'left edge' stands twice"),
        ([LEFT.replace("-0.1", "-0.12")], "x_m: -0.12 is outside where 'orange half' lies: -0.11 to 0.11"),
        ([LEFT.replace("orange half", "egg")], "must have every object of the region once: orange half"),
        ([LEFT.replace("y_m", "z_m")], "unknown key"),
        ([], "layouts: is needed: a list of layouts"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, lines: list[str], said: str) -> None:
    path = _file(tmp_path, *lines)
    with pytest.raises(ConfigError) as error:
        with_layouts(RIG, load_task("place_orange_demo"), path)
    assert said in str(error.value) and str(path) in str(error.value)


def test_each_is_used_once(tmp_path: Path) -> None:
    task = with_layouts(RIG, load_task("place_orange_demo"), _file(tmp_path, LEFT, MIDDLE))
    assert (layouts_of(task, None), layouts_of(task, 1)) == (2, 1)
    assert layouts_of(load_task("place_orange_demo"), None) == 100
    with pytest.raises(ConfigError, match="3 episodes, and 2 preset layouts; each is used once"):
        layouts_of(task, 3)
    box = load_rig("xarm6_place_orange_sim")
    with pytest.raises(ConfigError, match="knows drawn layouts only; leave --layouts out"):
        with_layouts(box, load_task("place_orange"), _file(tmp_path, LEFT))


def test_training_goes_on_through_drawn_ones(tmp_path: Path) -> None:
    training = Position(0, Block("train", "explore", chunks=9), 0)
    assert next_layout_seed(3, training, (), [7]) == layout_seed(3, "training", 0)
    more = Position(0, Block("final", "steer", episodes=9), 1)
    assert next_layout_seed(3, more, [_record(0, "final", "steer", 7)], [7]) == layout_seed(
        3, "evaluation", 0
    )


def test_demonstrations_are_on_layouts_that_nothing_is_measured_on() -> None:
    """Not on the presets either."""
    person = Position(0, Block("demonstrations", "human", episodes=9), 0)
    assert next_layout_seed(3, person, (), [7]) == layout_seed(3, "demonstration", 0)


def _record(episode: int, block: str, mode: str, seed: int) -> EpisodeRecord:
    return EpisodeRecord(
        episode=episode,
        block=block,
        mode=mode,
        layout_seed=seed,
        outcome="success",
        steps=1,
        chunks=1,
        start_stamp_ns=0,
        end_stamp_ns=1,
        label_author="judge",
    )
