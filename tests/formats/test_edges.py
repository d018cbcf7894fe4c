"""What is missing, what is interrupted, and how much is in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.formats.foreign import write_robomimic_file
from tests.formats.small import PLACE_ORANGE, small_dataset, with_cameras
from tests.formats.test_robomimic import CAN, OPTIONS
from zprl_core.data.formats.action_form import ActionForm
from zprl_core.data.formats.edges import reading
from zprl_core.data.formats.importing import import_dataset
from zprl_core.data.formats.lerobot import LerobotSource
from zprl_core.data.formats.lerobot_layout import codec_of
from zprl_core.data.formats.lerobot_writing import write_lerobot
from zprl_core.data.formats.library import library
from zprl_core.data.formats.planning import ImportOptions, make_plan
from zprl_core.data.formats.robomimic import RobomimicSource
from zprl_core.data.formats.robomimic_writing import write_robomimic
from zprl_core.data.formats.whole import whole
from zprl_core.data.reading import StoredDataset
from zprl_core.errors import ConfigError, DataError

MB = 1024 * 1024


def test_a_library_that_is_missing_is_named_with_its_extra() -> None:
    with pytest.raises(
        ConfigError, match=r"reading X needs the Python package no_such_library .*'\.\[formats\]'"
    ):
        library("no_such_library.part", "reading X")


def test_our_own_errors_pass_the_edge_and_others_name_the_place() -> None:
    with pytest.raises(DataError, match=r"^ours$"), reading("file"):
        raise DataError("ours")
    with (
        pytest.raises(DataError, match=r"^file: cannot be read \(KeyError: 'a'\); the file is damaged"),
        reading("file"),
    ):
        raise KeyError("a")
    with pytest.raises(KeyboardInterrupt), reading("file"):
        raise KeyboardInterrupt


def _interrupt(done: int, total: int) -> None:
    if done == 2:
        raise KeyboardInterrupt


def test_an_interrupted_export_or_import_leaves_nothing(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "data", lengths=(3, 3, 3))
    form = ActionForm(codec_of(data.header))
    with pytest.raises(KeyboardInterrupt):
        write_lerobot(data, tmp_path / "lerobot", form, progress=_interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_robomimic(data, tmp_path / "out.hdf5", form, progress=_interrupt)
    assert [each.name for each in tmp_path.iterdir()] == ["data"]
    write_robomimic(data, tmp_path / "out.hdf5", form)
    with RobomimicSource(tmp_path / "out.hdf5") as source, pytest.raises(KeyboardInterrupt):
        plan = make_plan(source, PLACE_ORANGE, ImportOptions())
        import_dataset(source, plan, tmp_path / "again", progress=_interrupt)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["data", "out.hdf5"]


def test_a_place_that_was_taken_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is there already"), whole(tmp_path / "out") as beside:
        (beside / "new").write_text("new")
        (tmp_path / "out").mkdir()
        (tmp_path / "out/other").write_text("other")
    assert (tmp_path / "out/other").read_text() == "other"
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


@contextmanager
def _peak() -> Iterator[Callable[[], int]]:
    """How many bytes were allocated at most since."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


EPISODES, TICKS = 12, 25
LARGE = with_cameras(PLACE_ORANGE, 240, 320)
EPISODE_BYTES = TICKS * 240 * 320 * 3


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> StoredDataset:
    """69 MB of pictures."""
    return small_dataset(tmp_path_factory.mktemp("large") / "data", LARGE, (TICKS,) * EPISODES)


@pytest.mark.parametrize("images", ["png", "h264"])
def test_a_few_episodes_are_in_memory_at_a_time_through_lerobot(
    tmp_path: Path, large: StoredDataset, images: str
) -> None:
    with _peak() as peak:
        write_lerobot(large, tmp_path / "lerobot", ActionForm(codec_of(large.header)), images=images)
        assert peak() < 8 * EPISODE_BYTES  # of twelve; libraries that load here count too
    with _peak() as peak, LerobotSource(tmp_path / "lerobot") as source:
        import_dataset(source, make_plan(source, LARGE, ImportOptions()), tmp_path / "again")
        assert EPISODE_BYTES < peak() < 8 * EPISODE_BYTES


def test_a_few_episodes_are_in_memory_at_a_time_through_robomimic(tmp_path: Path) -> None:
    write_robomimic_file(tmp_path / "abs.hdf5", (25,) * 20)
    episode = 25 * 2 * 84 * 84 * 3
    with _peak() as peak, RobomimicSource(tmp_path / "abs.hdf5") as source:
        import_dataset(source, make_plan(source, CAN, OPTIONS), tmp_path / "data")
        assert episode < peak() < 10 * episode  # of twenty
