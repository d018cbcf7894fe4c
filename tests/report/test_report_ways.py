# SPDX-License-Identifier: Apache-2.0
"""The tool's way, from bags that were made up: which are drawn, and what is said where none can be."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.bags import task
from tests.replay import made as bags
from tests.report import made
from zprl_core.bags.labels import bag_name
from zprl_core.errors import ConfigError
from zprl_core.report.document import Caution, Figure
from zprl_core.report.ways import drawn

ABOVE = np.array([[20.0, 0.0, 0.0, 12.0], [0.0, 20.0, 0.0, 10.0], [0.0, 0.0, 0.0, 1.0]])
"""A camera that looks down and sees everything equally large."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two policies on the same layout, each with a bag."""
    records = made.numbered(made.episodes("base_c", "s"), made.episodes("final", "s"))
    folder = made.folder(tmp_path / "run", records, task(), mode="evaluate")
    first = bags.bag(folder / "bags" / bag_name(0), task=task().to_dict())
    shutil.copytree(first, folder / "bags" / bag_name(1))
    return folder


def test_ways_are_drawn(run: Path, tmp_path: Path) -> None:
    (part,) = drawn(made.read(run), tmp_path, None, {"third_view": ABOVE})
    assert isinstance(part, Figure) and "camera third_view" in part.caption
    assert (tmp_path / "ways.png").stat().st_size > 5_000


def test_without_bags_nothing_is_drawn(run: Path, tmp_path: Path) -> None:
    shutil.rmtree(run / "bags")
    assert drawn(made.read(run), tmp_path, None, {}) == []


def test_a_bag_that_cannot_be_read_is_said(run: Path, tmp_path: Path) -> None:
    for bag in (run / "bags").iterdir():
        next(bag.glob("*.mcap")).write_bytes(b"garbage")
    (part,) = drawn(made.read(run), tmp_path, None, {"third_view": ABOVE})
    assert isinstance(part, Caution) and "The tool's way is not drawn" in part.text
    assert not (tmp_path / "ways.png").exists()


def test_cameras_that_the_task_has_not(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--camera side: task place_orange_demo has third_view"):
        drawn(made.read(run), tmp_path, "side", {})
    with pytest.raises(ConfigError, match="--projection side="):
        drawn(made.read(run), tmp_path, None, {"side": ABOVE})
