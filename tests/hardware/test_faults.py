"""Every row of the table of faults: the arm stops, inside its workspace, says why, and can go on."""

from __future__ import annotations

from pathlib import Path

from tests.hardware import faults


def test_whatever_goes_wrong_the_arm_stops_says_why_and_can_go_on(tmp_path: Path) -> None:
    with faults.stage(tmp_path / "g") as stage:
        for fault in faults.FAULTS:
            outcome = faults.run(stage, fault)
            _judge(outcome, fault)
        faults.wait_for_motion(stage)
        assert stage.graph.log("bridge").count("arm 'arm': the bridge stood still for") >= 2


def test_without_a_session_the_arm_stops(tmp_path: Path) -> None:
    with faults.stage(tmp_path / "g") as stage:
        _judge(faults.run(stage, faults.LAST[0]), faults.LAST[0])


def test_without_a_bridge_the_box_holds_the_last_setpoint(tmp_path: Path) -> None:
    with faults.stage(tmp_path / "g") as stage:
        _judge(faults.run(stage, faults.LAST[1]), faults.LAST[1])


def _judge(outcome: faults.Outcome, fault: faults.Fault) -> None:
    assert outcome.stop_s < fault.within_s, outcome
    assert outcome.travel_m < fault.within_m, outcome
    assert outcome.inside, outcome
    assert fault.said in outcome.told, outcome
    assert outcome.told or fault is faults.LAST[1], outcome
