"""When a session records: where the rig is real, or as asked for, and once more when it is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ros import training
from zprl_core import launch_arguments, start
from zprl_core.errors import ConfigError


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tiny")
    task = training.tiny_task(folder)
    return task, training.tiny_base(folder, task)


def records(prepared: start.Prepared) -> bool:
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
def test_a_session(tiny: Any, tmp_path: Path, rig: str, asked: str, expected: bool) -> None:
    task, base = tiny
    words = {"rig": rig, "task": str(task), "policy": str(base), "out": str(tmp_path / "run")}
    assert records(launch_arguments.prepare("evaluate", {**words, "record": asked})) is expected


def test_a_resumed_run(tiny: Any, tmp_path: Path) -> None:
    task, base = tiny
    out = tmp_path / "run"
    assert records(start.training(rig="sim_xarm6", task=str(task), base=base, out=out, chunks=8, record=True))
    assert records(start.resume(out))
    assert not records(start.resume(out, record=False))
    assert records(start.resume(out))


def test_another_answer_is_refused(tiny: Any, tmp_path: Path) -> None:
    task, base = tiny
    words = {"rig": "sim_xarm6", "task": str(task), "policy": str(base), "record": "maybe"}
    with pytest.raises(ConfigError, match="record:=maybe: allowed: true, false"):
        launch_arguments.prepare("evaluate", {**words, "out": str(tmp_path / "run")})
