"""When a session has a panel and an operator, and where they come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from zprl_core import launch_arguments, start
from zprl_core.errors import ConfigError
from zprl_core.graph import NodeSpec
from zprl_core.panel_address import DEFAULT
from zprl_core.resuming import resume
from zprl_core.session_options import SessionOptions


def nodes(tiny: tuple[str, str], out: Path, **given: str) -> dict[str, NodeSpec]:
    """The graph that launch arguments lead to."""
    task, base = tiny
    words = {"rig": "sim_xarm6", "task": task, "policy": base, "out": str(out), **given}
    return {node.name: node for node in launch_arguments.prepare("evaluate", words).nodes}


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, None),
        ({"panel": "none"}, None),
        ({"panel": "127.0.0.1:9000"}, "127.0.0.1:9000"),
        ({"operator": "true"}, DEFAULT),
        ({"operator": "true", "panel": "none"}, None),
    ],
)
def test_a_simulated_rig(
    tiny: tuple[str, str], tmp_path: Path, given: dict[str, str], address: str | None
) -> None:
    graph = nodes(tiny, tmp_path / "run", **given)
    assert graph["session_node"].parameters["operator"] is ("operator" in given)
    assert ("auto_judge" in graph) is ("operator" not in given)
    assert (graph["panel_node"].parameters["address"] if "panel_node" in graph else None) == address


def test_a_wrong_address_is_refused_before_anything_is_written(tiny: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="page address '8770'"):
        nodes(tiny, tmp_path / "run", panel="8770")
    with pytest.raises(ConfigError, match="operator:=yes: allowed: true, false"):
        nodes(tiny, tmp_path / "run", operator="yes")
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_keeps_its_operator_and_not_its_address(tiny: tuple[str, str], tmp_path: Path) -> None:
    task, base = tiny
    options = SessionOptions(operator=True, panel="")
    start.training(
        rig="sim_xarm6", task=task, base=Path(base), out=tmp_path / "run", chunks=8, options=options
    )
    prepared = resume(tmp_path / "run", options=SessionOptions(panel="localhost:9001"))
    resumed = {node.name: node for node in prepared.nodes}
    assert resumed["session_node"].parameters["operator"] is True
    assert resumed["panel_node"].parameters["address"] == "localhost:9001"
