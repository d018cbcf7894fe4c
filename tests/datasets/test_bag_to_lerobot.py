# SPDX-License-Identifier: Apache-2.0
"""Bag -> dataset -> LeRobot v3.0 or robomimic -> dataset: equal within the codec."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.datasets.bags import Event, Made, task
from zprl_bringup.recorded import read_recording
from zprl_cameras.picture import Fit
from zprl_core.data.building import BuildOptions, build
from zprl_core.data.formats.action_form import ActionForm
from zprl_core.data.formats.importing import import_dataset
from zprl_core.data.formats.lerobot import LerobotSource
from zprl_core.data.formats.lerobot_layout import codec_of
from zprl_core.data.formats.lerobot_writing import write_lerobot
from zprl_core.data.formats.planning import ImportOptions, make_plan
from zprl_core.data.formats.robomimic import RobomimicSource
from zprl_core.data.formats.robomimic_writing import write_robomimic
from zprl_core.data.reading import StoredDataset, open_dataset
from zprl_core.data.writing import header_to_dict

LOST = {"png": 0.0, "h264": 1.5}
"""Levels of 255 that a pixel may be away in the mean."""


def _built(folder: Path) -> StoredDataset:
    """Two bags, a success and a failure of another length."""
    failed = (Event(0.0, "resetting"), Event(1.0, "running"), Event(2.5, "labelled", outcome="failure"))
    bags = [
        Made().write(folder / "bag0"),
        Made(events=failed, label={"episode": "1", "outcome": "failure"}).write(folder / "bag1"),
    ]
    build(
        bags,
        task(),
        folder / "data",
        lambda bag: read_recording(bag, task()),
        lambda image, size: Fit(image.shape[:2], size)(image),
        BuildOptions(),
    )
    return open_dataset(folder / "data")


def _imported(source: Any, out: Path) -> StoredDataset:
    with source:
        import_dataset(source, make_plan(source, task(), ImportOptions()), out)
    return open_dataset(out)


def _same(data: StoredDataset, again: StoredDataset, lost: float) -> None:
    assert header_to_dict(again.header) == header_to_dict(data.header)
    assert again.infos == data.infos
    for one, other in zip(data, again, strict=True):
        for name, array in one.arrays().items():
            back = other.arrays()[name]
            if name.startswith("image_"):
                assert np.abs(array.astype(int) - back).mean() <= lost
            else:
                np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("images", LOST)
def test_through_lerobot(tmp_path: Path, images: str) -> None:
    data = _built(tmp_path)
    assert [info.outcome for info in data.infos] == ["success", "failure"]
    write_lerobot(data, tmp_path / "lerobot", ActionForm(codec_of(data.header)), images=images)
    _same(data, _imported(LerobotSource(tmp_path / "lerobot"), tmp_path / "again"), LOST[images])


def test_through_robomimic(tmp_path: Path) -> None:
    data = _built(tmp_path)
    write_robomimic(data, tmp_path / "out.hdf5", ActionForm(codec_of(data.header)))
    _same(data, _imported(RobomimicSource(tmp_path / "out.hdf5"), tmp_path / "again"), 0.0)


def test_the_bags_calibration_and_lead_are_still_held_against_the_task(tmp_path: Path) -> None:
    data = _built(tmp_path)
    assert data.header.provenance is not None and data.header.lead_steps == 2
    write_lerobot(data, tmp_path / "lerobot", ActionForm(codec_of(data.header)), images="png")
    other = replace(task(), observation=replace(task().observation, lead_steps=3))
    with LerobotSource(tmp_path / "lerobot") as source, pytest.raises(Exception, match="lead_steps = 2"):
        make_plan(source, other, ImportOptions())
