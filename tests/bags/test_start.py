"""When a session records: where the rig is real, or as asked for, and once more when it is resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from zprl_core import launch_arguments, start
from zprl_core.errors import ConfigError
from zprl_core.prepared import Prepared
from zprl_core.resuming import resume
from zprl_core.session_options import SessionOptions


def records(prepared: Prepared) -> bool:
    return "recorder_node" in {node.name for node in prepared.nodes}


@pytest.mark.parametrize(
    ("rig", "asked", "expected"),
    [
        ("sim_xarm6", "", False),
        ("sim_xarm6", "true", True),
        ("xarm6_place_orange_sim", "", False),
        ("xarm6_place_orange", "", True),
        ("xarm6_place_orange", "false", False),
    ],
)
def test_a_session(tiny: tuple[str, str], tmp_path: Path, rig: str, asked: str, expected: bool) -> None:
    task, base = tiny
    words = {"rig": rig, "task": task, "policy": base, "out": str(tmp_path / "run")}
    assert records(launch_arguments.prepare("evaluate", {**words, "record": asked})) is expected


def test_a_resumed_run(tiny: tuple[str, str], tmp_path: Path) -> None:
    task, base = tiny
    out, options = tmp_path / "run", SessionOptions(record=True)
    assert records(
        start.training(rig="sim_xarm6", task=task, base=Path(base), out=out, chunks=8, options=options)
    )
    assert records(resume(out))
    assert not records(resume(out, options=SessionOptions(record=False)))
    assert records(resume(out))


def test_another_answer_is_refused(tiny: tuple[str, str], tmp_path: Path) -> None:
    task, base = tiny
    words = {"rig": "sim_xarm6", "task": task, "policy": base, "record": "maybe"}
    with pytest.raises(ConfigError, match="record:=maybe: allowed: true, false"):
        launch_arguments.prepare("evaluate", {**words, "out": str(tmp_path / "run")})
