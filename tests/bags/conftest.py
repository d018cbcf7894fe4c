"""Bags of a made-up message type, whose definition lies in a folder made for the test."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from zprl_core.bags.definitions import Definition, find_definition
from zprl_core.bags.episodes import EpisodeBags, Source
from zprl_core.bags.rosbag2 import Qos, qos_text
from zprl_core.config import load_rig, load_task
from zprl_core.records import EpisodeRecord
from zprl_core.run_folder import RunFolder, RunSpec

HASH = "RIHS01_79e541b010b8029b7d236b2b02a44bb32570f7d0dd7a80c90b1c85c98a0f4a62"
"""Of Reading, as `rosbags` computes it; it compares before it reads a message."""
MESSAGES = {
    "things/msg/Reading": (
        "# A reading.\nother/Stamp at\nfloat64[] values  # numbers\nuint8 GOOD=1\nPart[2] parts\n"
    ),
    "things/msg/Pair": "Part one\nPart two\n",
    "things/msg/Part": "string<=10 name\n",
    "other/msg/Stamp": "int32 sec\nuint32 nanosec\n",
}
FACTS = {"run_id": "20260101-000000-00000000", "calibration": "2026-01-01 by hand", "lead_steps": "6"}


def bags_of(folder: Path) -> tuple[RunFolder, EpisodeBags]:
    """A run's bags, of which the first one has begun."""
    run = RunFolder(folder)
    (folder / "config").mkdir()
    run.task_file.write_text("name: t\n")
    run.rig_file.write_text("name: r\n")
    bags = EpisodeBags(run, FACTS, "kilted")
    bags.session("resetting", 0, 1)
    return run, bags


def install(prefix: Path) -> Path:
    """Put the message definitions where a package's installation puts them."""
    for name, text in MESSAGES.items():
        package, _, kind = name.split("/")
        folder = prefix / "share" / package / "msg"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{kind}.msg").write_text(text)
        hashes = [{"type_name": "a/msg/B", "hash_string": "no"}, {"type_name": name, "hash_string": HASH}]
        (folder / f"{kind}.json").write_text(json.dumps({"type_hashes": hashes}))
    return prefix


def reading(value: float) -> bytes:
    """A serialised Reading with one number and no names."""
    head = struct.pack("<4xiI", 7, 8)
    numbers = struct.pack("<I4xd", 1, value)
    return b"\x00\x01\x00\x00" + head[4:] + numbers + struct.pack("<IBxxxIB", 1, 0, 1, 0)


@pytest.fixture(scope="session")
def definition(tmp_path_factory: pytest.TempPathFactory) -> Definition:
    return find_definition("things/msg/Reading", [install(tmp_path_factory.mktemp("prefix"))])


@pytest.fixture
def source(definition: Definition) -> Callable[[str], Source]:
    return lambda name: Source(name, qos_text([Qos(durability=1), Qos(reliability=2)]), definition)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    spec = RunSpec("20260101-000000-00000000", "evaluate", "t", "r", "", "", 3, True, 0, 0)
    return RunFolder.create(tmp_path / "run", spec, load_task("place_orange_demo"), load_rig("sim_xarm6"))


@pytest.fixture
def bags(run: RunFolder) -> EpisodeBags:
    return EpisodeBags(run, FACTS, "kilted")


def outcome(episode: int, label: str, author: str = "judge") -> EpisodeRecord:
    return EpisodeRecord(
        episode=episode,
        block="final",
        mode="steer",
        layout_seed=5,
        outcome=label,
        steps=16,
        chunks=1,
        start_stamp_ns=1,
        end_stamp_ns=2,
        label_author=author,
        layout="orange: [0.1, 0.2]",
    )
