"""A run that is resumed moves real arms by the limits of today, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from zprl_core.config import RigConfig, load_rig, rig_names
from zprl_core.errors import ConfigError
from zprl_core.kept_rig import require_same_arms, rig_of_today

KEPT = Path("run/config/rig.yaml")


@pytest.fixture
def rig() -> RigConfig:
    return load_rig("xarm6_place_orange")


def slower(rig: RigConfig) -> RigConfig:
    (arm,) = rig.arms
    limits = replace(arm.limits, linear_velocity_m_s=0.1)
    return replace(rig, arms=(replace(arm, limits=limits),), table_m=0.02)


def test_what_differs_is_named(rig: RigConfig) -> None:
    before = rig.arms[0].limits.linear_velocity_m_s
    said = rf"arms\[0\]\.limits\.linear_velocity_m_s {before} \(today 0\.1\), table_m .* \(today 0\.02\)\."
    with pytest.raises(ConfigError, match=said):
        require_same_arms(KEPT, rig, slower(rig))


def test_delays_and_simulated_cells_are_not_compared(rig: RigConfig) -> None:
    (arm,) = rig.arms
    require_same_arms(KEPT, rig, replace(rig, arms=(replace(arm, delay_s=0.05),)))
    twin = load_rig("sim_xarm6")
    require_same_arms(KEPT, twin, slower(twin))


@pytest.mark.parametrize("name", [name for name in rig_names() if not load_rig(name).simulated])
def test_what_a_run_keeps_is_what_it_was_started_with(name: str, tmp_path: Path) -> None:
    kept = tmp_path / "rig.yaml"
    kept.write_text(yaml.safe_dump(load_rig(name).to_dict()))
    require_same_arms(kept, load_rig(str(kept)), rig_of_today(name, load_rig(name)))


def test_the_rig_is_found_by_its_name_where_none_is_given(rig: RigConfig) -> None:
    assert rig_of_today(None, slower(rig)) == rig
    elsewhere = replace(rig, name="in_a_file_of_mine")
    assert rig_of_today(None, elsewhere) is None
    assert "no rig 'in_a_file_of_mine' to compare it with" in require_same_arms(KEPT, elsewhere, None)
    assert rig_of_today("sim_xarm6", rig) == load_rig("sim_xarm6")


def test_a_key_that_earlier_rigs_had_is_passed_over(tmp_path: Path) -> None:
    """Runs and bags keep their rig."""
    data = load_rig("sim_xarm6").to_dict()
    data["simulation"]["physics_dt_s"] = 1.0 / 480.0
    kept = tmp_path / "rig.yaml"
    kept.write_text(yaml.safe_dump(data))
    assert load_rig(str(kept)) == load_rig("sim_xarm6")
