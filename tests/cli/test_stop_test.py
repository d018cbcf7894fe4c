"""What counts as a tested hardware stop, and for how long: pure, and at a driver that is scripted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from zprl_arms.driver import ArmReading
from zprl_core.cli import kept, stop_test
from zprl_core.config import RigConfig, load_rig
from zprl_core.transforms import Pose

RIG = load_rig("xarm6_place_orange")
(ARM,) = RIG.arms
FACTS = {"serial number": "XI1", "control box": "XB1"}
HELD = ArmReading(np.zeros(6), np.zeros(6), Pose(np.zeros(3)), None)


def noted(folder: Path, days: float = 1.0) -> dict[str, Any]:
    """The file as a test leaves it."""
    entry = {**stop_test.identity(ARM, FACTS), "seen": "C1 stop", "moved_mm": 0.0}
    data = {"tested": kept.date_text(kept.now() - timedelta(days=days)), "arms": {ARM.name: entry}}
    kept.keep(folder / stop_test.FILE, data)
    return data


def changed(**changes: Any) -> RigConfig:
    """The rig with a changed arm."""
    return replace(RIG, arms=(replace(ARM, **changes),))


@pytest.mark.parametrize(("days", "ok"), [(0.0, True), (29.0, True), (31.0, False)])
def test_a_hardware_stop_is_tested_for_a_month(tmp_path: Path, days: float, ok: bool) -> None:
    noted(tmp_path, days)
    finding = stop_test.finding(tmp_path, "cell", RIG, kept.now())
    assert finding.ok is ok and f"tested {days:.0f} days ago" in finding.what
    (tmp_path / stop_test.FILE).write_text("tested: yesterday\n")
    assert stop_test.finding(tmp_path, "cell", RIG, kept.now()).ok is False


@pytest.mark.parametrize(
    ("rig", "said"),
    [
        (
            changed(model="xarm7", homing=replace(ARM.homing, joints_rad=(0.0,) * 7)),
            "was model xarm6, is xarm7",
        ),
        (changed(address="10.0.0.9"), "is 10.0.0.9"),
        (changed(serial="XI2"), "was serial XI1 and XB1, is XI2"),
        (changed(name="other"), "arm 'other' was not among them"),
        (changed(serial="XB1"), ""),
    ],
)
def test_it_is_tested_for_the_arm_that_it_was_made_with(tmp_path: Path, rig: RigConfig, said: str) -> None:
    noted(tmp_path)
    finding = stop_test.finding(tmp_path, "cell", rig, kept.now())
    assert finding.ok is not bool(said) and said in finding.what
    assert "zprl doctor --rig cell --stop-test" in finding.advice


def test_a_file_that_names_no_arm_is_no_test(tmp_path: Path) -> None:
    kept.keep(tmp_path / stop_test.FILE, {"tested": kept.date_text(kept.now())})
    assert stop_test.finding(tmp_path, "cell", RIG, kept.now()).ok is False


def test_another_arm_at_the_same_address_is_found_by_what_it_tells(tmp_path: Path) -> None:
    noted(tmp_path)
    assert stop_test.swapped(tmp_path, "cell", {"arm": ("XI1",)}) == []
    assert stop_test.swapped(tmp_path, "cell", {"arm": ()}) == []
    (found,) = stop_test.swapped(tmp_path, "cell", {"arm": ("XI7", "XB7")})
    assert found.ok is False and "serial XI1 and XB1, this one is XI7 and XB7" in found.what
    assert stop_test.swapped(tmp_path / "nowhere", "cell", {"arm": ("XI7",)}) == []


class Scripted:
    """A driver that soon says what it is given."""

    def __init__(self, fault: str, *, stop: bool) -> None:
        self._readings = [HELD, HELD, HELD._replace(fault=fault, hardware_stop=stop)]

    def read(self) -> ArmReading:
        return self._readings.pop(0) if len(self._readings) > 1 else self._readings[0]


@pytest.mark.parametrize(
    ("fault", "stop"),
    [
        ("no report for 0.21 s, allowed 0.2 s", False),
        ("gripper robotiq_2f85 does not answer", False),
        ("C31 Collision Caused Abnormal Current", False),
        ("C2 the emergency input", True),
    ],
)
def test_only_the_controllers_own_sign_counts(
    fault: str, stop: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    found = stop_test.watch(Scripted(fault, stop=stop))
    assert (found is not None) is stop
    if found is None:
        assert f"that is not the hardware stop: {fault}" in capsys.readouterr().out
    else:
        assert found == {"seen": fault, "moved_mm": 0.0}


def test_a_rig_is_warned_of_that_was_never_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZPRL_CONFIG_DIR", str(tmp_path))
    (tmp_path / "rigs").mkdir()
    data = {**RIG.to_dict(), "name": "cell"}
    data.pop("calibration")
    (tmp_path / "rigs" / "cell.yaml").write_text(yaml.safe_dump(data))
    rig = load_rig("cell")
    said = stop_test.warning(rig)
    assert "hardware stop: never tested" in said and "zprl doctor --rig cell --stop-test" in said
    noted(tmp_path / "calibrations" / "cell")
    assert stop_test.warning(rig) == ""
    assert stop_test.warning(load_rig("xarm6_place_orange_sim")) == ""
    assert stop_test.warning(load_rig("sim_xarm6")) == ""
    assert "nothing tells" in stop_test.warning(replace(rig, name="gone"))
