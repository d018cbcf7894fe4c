# SPDX-License-Identifier: Apache-2.0
"""The rigs that come with the system: they fit their tasks, and their arms may be at home."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from zprl_core import start
from zprl_core.config import RigConfig, check_pair, load_rig, load_task, loader, rig_names
from zprl_core.config.arm import PlacementConfig
from zprl_core.errors import ConfigError
from zprl_core.kinematics import ArmKinematics
from zprl_core.kinematics.home import check_homes
from zprl_sim import dimensions, kinematics

CELLS = {
    "place_orange": "xarm6_place_orange",
    "flip_egg": "franka_flip_egg",
    "open_box": "dual_open_box",
    "insert_bills": "dual_insert_bills",
}
DEVICES = (
    r"arms\[\d\]\.(address|model|gripper\.port)|cameras\[\d\]\.(driver|device|width|height)"
    r"|name|description|simulation.*"
)


@pytest.mark.parametrize("task", CELLS)
def test_the_papers_tasks_fit_their_cells_real_and_simulated(task: str) -> None:
    for rig in (CELLS[task], f"{CELLS[task]}_sim"):
        check_pair(load_rig(rig), load_task(task))


@pytest.mark.parametrize("name", CELLS.values())
def test_a_simulated_cell_differs_in_addresses_and_devices_only(name: str) -> None:
    cell, twin = load_rig(name), load_rig(f"{name}_sim")
    assert not cell.simulated and twin.simulated
    lines = loader.differences(cell.to_dict(), twin.to_dict())
    assert [line for line in lines if not re.fullmatch(DEVICES, line.split(":")[0])] == []
    models = {(mine.model, its.model) for mine, its in zip(cell.arms, twin.arms, strict=True)}
    assert models <= {("xarm6", "xarm6"), ("fer", "fr3")}


@pytest.mark.parametrize("name", rig_names())
def test_every_home_is_a_good_place_to_start_from(name: str) -> None:
    rig = load_rig(name)
    check_homes(rig)
    for arm in rig.arms:
        home = ArmKinematics(arm.model, arm.tool)
        joints = np.array(arm.homing.joints_rad)
        assert home.min_singular_value(joints) > 5 * arm.limits.min_singular_value
        assert min(np.min(joints - home.lower_rad), np.min(home.upper_rad - joints)) > 0.3
        room = np.minimum(
            home.forward(joints).position - arm.workspace.min_m,
            np.array(arm.workspace.max_m) - home.forward(joints).position,
        )
        assert room.min() > 0.05


def test_the_twins_tool_is_the_rigs() -> None:
    (arm,) = load_rig("sim_xarm6").arms
    rig_s = ArmKinematics(arm.model, arm.tool).forward(arm.homing.joints_rad)
    twins = kinematics.forward(arm.homing.joints_rad, dimensions.TOOL_LENGTH)
    assert rig_s.position == pytest.approx(twins.position, abs=1e-9)
    assert rig_s.matrix()[:3, :3] == pytest.approx(twins.rotation(), abs=1e-9)


def _singular(rig: RigConfig) -> RigConfig:
    (arm,) = rig.arms
    limits = dataclasses.replace(arm.limits, min_singular_value=0.3)
    return dataclasses.replace(rig, arms=(dataclasses.replace(arm, limits=limits),))


def _excluded(rig: RigConfig) -> RigConfig:
    (arm,) = rig.arms
    space = dataclasses.replace(arm.workspace, min_m=(0.55, -0.35, 0.02))
    return dataclasses.replace(rig, arms=(dataclasses.replace(arm, workspace=space),))


def _crowded(rig: RigConfig) -> RigConfig:
    """Both arms on nearly the same place."""
    placed = (PlacementConfig(position_m=(0.0, y, 0.0)) for y in (0.13, -0.13))
    arms = (dataclasses.replace(a, base_in_rig=p) for a, p in zip(rig.arms, placed, strict=True))
    return dataclasses.replace(rig, arms=tuple(arms))


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("franka_flip_egg", _excluded, r"arm 'arm': homing\.joints_rad: the tool is at \(0\.494.*workspace"),
        ("franka_flip_egg", _singular, r"smallest singular value is 0\.2.*allowed 0\.3"),
        ("dual_open_box", _crowded, r"arm 'left'.*of right, allowed.*at its own home"),
    ],
)
def test_an_impossible_home_is_refused_before_anything_is_written(
    tmp_path: Path, name: str, spoil: Any, said: str
) -> None:
    file, out = tmp_path / "cell.yaml", tmp_path / "run"
    file.write_text(yaml.safe_dump(spoil(load_rig(name)).to_dict()))
    task = next(task for task, cell in CELLS.items() if cell == name)
    with pytest.raises(ConfigError, match=said):
        start.evaluation(rig=str(file), task=task, policy=tmp_path / "none.ckpt", out=out)
    assert not out.exists()
