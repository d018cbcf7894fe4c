"""Damaged datasets of others are imported, or refused with a message; nothing half-written is left."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.damage import FUZZ, Change, damaged, damages
from tests.formats.small import PLACE_ORANGE, small_dataset, with_cameras
from tests.formats.test_diffusion_policy import CAN, OPTIONS, write_buffer
from zprl_core.data.formats import lerobot_layout as layout
from zprl_core.data.formats.action_form import ActionForm
from zprl_core.data.formats.diffusion_policy import DiffusionPolicySource
from zprl_core.data.formats.importing import import_dataset
from zprl_core.data.formats.lerobot import LerobotSource
from zprl_core.data.formats.lerobot_writing import write_lerobot
from zprl_core.data.formats.planning import ImportOptions, make_plan
from zprl_core.data.formats.robomimic import RobomimicSource
from zprl_core.data.formats.robomimic_writing import write_robomimic
from zprl_core.data.reading import open_dataset
from zprl_core.errors import ZprlError

SMALL = with_cameras(PLACE_ORANGE, 16, 16)
ORANGE = ImportOptions(rotation="task", gripper_as_is=True)
VIDEO = "videos/observation.images.third_view/chunk-000/file-000.mp4"
LEROBOT = [
    layout.INFO,
    layout.OWN,
    layout.Place().path(layout.EPISODES),
    layout.Place().path(layout.DATA),
    VIDEO,
]
BUFFER = [
    ".zgroup",
    "data/action/.zarray",
    "data/action/0.0",
    "data/agentview_image/1.0.0.0",
    "meta/episode_ends/0",
]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    data = small_dataset(folder / "data", SMALL, (4, 3))
    form = ActionForm(layout.codec_of(data.header))
    write_lerobot(data, folder / "lerobot", form)
    write_robomimic(data, folder / "robomimic", form)
    write_buffer(folder / "diffusion_policy")
    return folder


def _import(kind: Any, path: Path, options: ImportOptions, task: Any, out: Path) -> None:
    """Import, or raise `ZprlError`; what is left opens, or is not there."""
    before = {each.name for each in out.parent.iterdir()}
    try:
        with kind(path) as source:
            import_dataset(source, make_plan(source, task, options), out)
    except ZprlError as error:
        assert len(str(error)) > 20
        assert {each.name for each in out.parent.iterdir()} == before
    else:
        open_dataset(out)
        shutil.rmtree(out)


@settings(FUZZ)
@given(made=damages)
def test_robomimic(sources: Path, tmp_path_factory: pytest.TempPathFactory, made: list[Change]) -> None:
    folder = tmp_path_factory.mktemp("robomimic")
    (folder / "in.hdf5").write_bytes(damaged((sources / "robomimic").read_bytes(), made))
    _import(RobomimicSource, folder / "in.hdf5", ORANGE, SMALL, folder / "out")
    shutil.rmtree(folder)


@settings(FUZZ)
@given(made=damages, name=st.sampled_from(LEROBOT))
def test_lerobot(
    sources: Path, tmp_path_factory: pytest.TempPathFactory, made: list[Change], name: str
) -> None:
    folder = tmp_path_factory.mktemp("lerobot")
    shutil.copytree(sources / "lerobot", folder / "in")
    (folder / "in" / name).write_bytes(damaged((folder / "in" / name).read_bytes(), made))
    _import(LerobotSource, folder / "in", ORANGE, SMALL, folder / "out")
    shutil.rmtree(folder)


@settings(FUZZ)
@given(made=damages, name=st.sampled_from(BUFFER))
def test_diffusion_policy(
    sources: Path, tmp_path_factory: pytest.TempPathFactory, made: list[Change], name: str
) -> None:
    folder = tmp_path_factory.mktemp("diffusion_policy")
    shutil.copytree(sources / "diffusion_policy", folder / "in")
    (folder / "in" / name).write_bytes(damaged((folder / "in" / name).read_bytes(), made))
    _import(DiffusionPolicySource, folder / "in", OPTIONS, CAN, folder / "out")
    shutil.rmtree(folder)
