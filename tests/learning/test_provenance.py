# SPDX-License-Identifier: Apache-2.0
"""Whether data or a policy fits the delays of a cell: by hand."""

from __future__ import annotations

import dataclasses

import pytest

from zprl_core.config import CalibrationConfig, DelayConfig, load_rig, load_task
from zprl_core.errors import CheckpointError
from zprl_core.provenance import Provenance, compare

TASK = load_task("place_orange_demo")  # 30 Hz: half a tick is 16.7 ms
TICK_S = 0.1  # half a tick is 50 ms


def cell(id_: str | None, delay_s: float, *, rig: str = "lab", name: str = "camera a") -> Provenance:
    return Provenance(rig=rig, calibration=id_, delays=(DelayConfig(name=name, delay_s=delay_s),))


def test_the_same_calibration_is_silent() -> None:
    assert compare("b.ckpt", cell("lab-1", 0.02), cell("lab-1", 0.02), TICK_S) == ""


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (cell("lab-1", 0.02), cell("lab-2", 0.02), "lab-1 of rig lab, used under calibration lab-2"),
        (cell("lab-1", 0.02), cell("lab-2", 0.07), "camera a 20.0 -> 70.0 ms"),
        (cell("lab-1", 0.02), cell("lab-1", 0.03), "camera a 20.0 -> 30.0 ms"),  # edited by hand
        (cell("lab-1", 0.02), cell("hall-1", 0.09, rig="hall"), "calibration hall-1 of rig hall: camera a"),
        (cell("lab-1", 0.02), cell("lab-2", 0.09, name="camera b"), "used under calibration lab-2"),
        (Provenance(rig="twin"), cell("lab-1", 0.09), "made under no calibration of rig twin, used under"),
        (None, cell("lab-1", 0.09), "does not say under which calibration it was made; used under"),
    ],
)
def test_a_difference_that_does_not_matter_is_said(
    before: Provenance | None, now: Provenance, said: str
) -> None:
    found = compare("b.ckpt", before, now, TICK_S)
    assert found.startswith("b.ckpt: ") and said in found


@pytest.mark.parametrize("delay_s", [0.0715, 0.13])
def test_more_than_half_a_tick_at_the_same_rig_is_refused(delay_s: float) -> None:
    said = rf"lab-1 of rig lab.*lab-2 of rig lab: camera a 20\.0 -> {1e3 * delay_s:.1f} ms.*50\.0 ms: find"
    with pytest.raises(CheckpointError, match=said):
        compare("b.ckpt", cell("lab-1", 0.02), cell("lab-2", delay_s), TICK_S)


def test_older_files_and_simulated_time_are_silent() -> None:
    twin = Provenance(rig="twin")
    assert compare("b.ckpt", None, twin, TICK_S) == compare("b.ckpt", twin, twin, TICK_S) == ""


def test_a_session_s_delays() -> None:
    rig = load_rig("xarm6_place_orange_sim")
    measured = CalibrationConfig(
        id="a1",
        measured="today",
        cameras=(DelayConfig(name="third_view", delay_s=0.04),),
        arms=(DelayConfig(name="arm", delay_s=0.07),),
        proprioception_delay_s=0.01,
    )
    found = Provenance.of(rig.calibrated(measured), TASK, lockstep=False)
    assert found == Provenance.from_dict(found.to_dict(), "here")
    assert (found.rig, found.calibration) == (rig.name, "a1")
    assert {delay.name: delay.delay_s for delay in found.delays} == {
        "camera third_view": 0.04,
        "proprioception": 0.01,
        "arm arm": 0.07,
    }
    uncalibrated = Provenance.of(dataclasses.replace(rig, calibration=None), TASK, lockstep=False)
    assert uncalibrated.calibration is None
    assert "arm arm" not in [delay.name for delay in uncalibrated.delays], "not measured is not 0"
    assert Provenance.of(rig.calibrated(measured), TASK, lockstep=True) == Provenance(rig=rig.name)
