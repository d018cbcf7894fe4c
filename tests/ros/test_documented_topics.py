"""docs/architecture.md against the running graph: what it lists exists, and nothing else does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.ros import training
from zprl_core import single_host

REPOSITORY = Path(__file__).resolve().parents[2]
OF_ROS = re.compile(r"^/(rosout|parameter_events)$|/transition_event$|^/onlooker/|/_")
OF_EVERY_NODE = re.compile(
    r"/(describe_parameters|get_parameter_types|get_parameters|list_parameters|set_parameters|"
    r"set_parameters_atomically|get_type_description|change_state|get_state|get_available_states|"
    r"get_available_transitions|get_transition_graph)$"
)
DOMAIN = 100


def documented() -> dict[str, str]:
    """Name to type, of the two tables, with this rig's names filled in."""
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `(/[^`]+)` \| `([^`]+)` \|", text, flags=re.MULTILINE)
    return {name.replace("<camera>", "third_view").replace("<arm>", "arm"): kind for name, kind in rows}


def test_the_documented_topics_and_services_are_those_of_the_graph(tmp_path: Path) -> None:
    table = documented()
    topics = {name for name, kind in table.items() if "/msg/" in kind}
    assert len(topics) > 8
    task = training.tiny_task(tmp_path)
    base = training.tiny_base(tmp_path, task)
    os.environ["ROS_DOMAIN_ID"] = str(DOMAIN)
    words = ["--rig", "sim_xarm6", "--task", str(task), "--base", str(base), "--out", str(tmp_path / "run")]
    process = training.start("train", *words, "--chunks", "100000", "--eval-episodes", "1")
    try:
        seen = _look(tmp_path, sorted(topics))
    finally:
        os.environ.pop("ROS_DOMAIN_ID")
        process.terminate()
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said  # as after Ctrl-C: everything ended, and the summary is written
    assert not (tmp_path / "run" / "live.json").exists() and (tmp_path / "run" / "summary.json").exists()
    found = {name: kinds[0] for name, kinds in {**seen["topics"], **seen["services"]}.items()}
    found = {name: kind for name, kind in found.items() if not OF_ROS.search(name)}
    found = {name: kind for name, kind in found.items() if not OF_EVERY_NODE.search(name)}
    assert found == table


def _look(folder: Path, topics: list[str]) -> dict[str, dict[str, list[str]]]:
    profile = single_host.dds_profile("single_host_shm")
    environment = single_host.environment(profile, DOMAIN, folder, os.environ)
    script = Path(__file__).with_name("list_graph.py")
    command = [sys.executable, str(script), "60", *topics]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True, env=environment)
    found: dict[str, dict[str, list[str]]] = json.loads(done.stdout)
    return found
