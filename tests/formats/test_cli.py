"""zprl dataset import and export: one command each, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.formats.foreign import write_robomimic_file
from tests.formats.small import assert_same, small_dataset
from zprl_core.cli import USER_ERROR, main
from zprl_core.config import load_task
from zprl_core.data.dataset import load_dataset
from zprl_core.data.reading import open_dataset

PANDA = ["--gripper-open", "-1", "0.08", "--gripper-closed", "1", "0"]


def run(*words: str | Path) -> int:
    return main(["dataset", *map(str, words)])


def test_a_published_file_becomes_what_pretraining_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_robomimic_file(tmp_path / "abs.hdf5")
    out = tmp_path / "can"
    assert (
        run("import", "--format", "robomimic", tmp_path / "abs.hdf5", "--task", "can", "--out", out, *PANDA)
        == 0
    )
    assert f"episodes: 2\ndataset: {out}" in capsys.readouterr().out
    dataset = load_dataset(out, load_task("can"))
    assert dataset.episodes == 2 and dataset.action_chunks(np.array([0])).shape == (1, 4, 10)


@pytest.mark.parametrize("kind", ["lerobot", "robomimic"])
def test_out_and_in_again(tmp_path: Path, kind: str) -> None:
    data = small_dataset(tmp_path / "data")
    out = tmp_path / "out"
    options = ["--images", "png"] if kind == "lerobot" else []
    assert run("export", "--format", kind, tmp_path / "data", "--out", out, *options) == 0
    assert (
        run("import", "--format", kind, out, "--task", "place_orange_demo", "--out", tmp_path / "again") == 0
    )
    assert_same(data, open_dataset(tmp_path / "again"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--gripper-open", "-1", "0.08"], "--gripper-open and --gripper-closed: give both"),
        ([*PANDA, "--gripper-as-is"], "--gripper-as-is: contradicts"),
        ([*PANDA, "--camera", "agentview"], "--camera agentview: must be NAME=KEY"),
        (
            [*PANDA, "--camera", "side=agentview_image"],
            "--camera side=...: task can has no such camera; it has: ",
        ),
        (
            [*PANDA, "--camera", "agentview=front"],
            "has no 'front'; choose with --camera agentview=KEY one of: ",
        ),
        ([*PANDA, "--rate", "30"], "--rate 30: "),
        (["--gripper-open", "1", "0.08", "--gripper-closed", "1", "0"], "the commands must differ"),
        (["--gripper-open", "-0.5", "0.08", "--gripper-closed", "1", "0"], "gripper command -1 at tick"),
    ],
)
def test_mistakes_are_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    write_robomimic_file(tmp_path / "abs.hdf5")
    out = tmp_path / "can"
    code = run(
        "import", "--format", "robomimic", tmp_path / "abs.hdf5", "--task", "can", "--out", out, *words
    )
    assert code == USER_ERROR
    assert said in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["abs.hdf5"]


def test_a_taken_place_is_said_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_robomimic_file(tmp_path / "abs.hdf5")
    small_dataset(tmp_path / "data")
    words = ("import", "--format", "robomimic", tmp_path / "abs.hdf5", "--task", "can", *PANDA)
    assert run(*words, "--out", tmp_path / "data") == USER_ERROR
    assert "overwrite it with --overwrite" in capsys.readouterr().err
    assert run(*words, "--out", tmp_path / "data", "--overwrite") == 0
    assert len(open_dataset(tmp_path / "data")) == 2
    inside = tmp_path / "data/out.hdf5"
    assert run("export", "--format", "robomimic", tmp_path / "data", "--out", inside) == USER_ERROR
    assert "lies in the dataset" in capsys.readouterr().err


def test_options_reach_the_pictures_and_the_ticks(tmp_path: Path) -> None:
    held = write_robomimic_file(tmp_path / "abs.hdf5", (6,), size=(84, 168))
    task = tmp_path / "slow.yaml"
    task.write_text("extends: can\nname: slow\nrate_hz: 10\n")
    words = ("import", "--format", "robomimic", tmp_path / "abs.hdf5", "--task", task, *PANDA)
    assert run(*words, "--out", tmp_path / "data", "--fit", "crop", "--thin") == 0
    episode = open_dataset(tmp_path / "data").episode(0)
    middle = held["agentview_image"][0][[0, 2, 4], :, 42:126]
    np.testing.assert_array_equal(episode.images["agentview"], middle)
