"""D4RL's files of Adroit: what is seen and done is what the recording's own simulator saw and did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zprl_core import cli
from zprl_core.config import TaskConfig, load_task
from zprl_core.data.reading import open_dataset
from zprl_core.experiments.demonstrations import demonstrate
from zprl_core.experiments.environments.adroit import AdroitEnvironment

h5py = pytest.importorskip("h5py", reason="h5py is not installed: make setup")
pytest.importorskip("gymnasium_robotics", reason="gymnasium_robotics is not installed: make setup")
EPISODES = 3


@pytest.fixture(scope="module")
def task() -> TaskConfig:
    return load_task("door_state")


def record(path: Path, task: TaskConfig, episodes: int, cut: int = 0) -> None:
    """A file as D4RL lays it out, of the episodes that `demonstrate` makes; `cut` steps of one more."""
    environment, rows = AdroitEnvironment(task), dict[str, list[np.ndarray]]()
    simulator, timeouts = environment._simulator, list[bool]()
    for number in range(episodes + (cut > 0)):
        shown = demonstrate(environment, task, 0, number)
        environment.reset(int(shown.info.facts["layout_seed"]))
        raws = [environment.targets.to_raw(target) for target in shown.action]
        steps = [raw for raw in raws for _ in range(task.action.repeat)]
        for raw in steps if number < episodes else steps[:cut]:
            for key, value in (("actions", raw), *simulator.get_env_state().items()):
                rows.setdefault(key if key == "actions" else f"infos/{key}", []).append(value)
            environment.step_raw(raw)
        timeouts += [False] * (len(steps) - 1) + [True] if number < episodes else [False] * cut
    with h5py.File(path, "w") as file:
        for key, values in rows.items():
            file[key] = np.stack(values).astype(np.float32)
        file["timeouts"] = np.array(timeouts)
    environment.close()


def imported(path: Path, out: Path, task: str = "door_state") -> int:
    return cli.main(["dataset", "import", "--format", "d4rl", str(path), "--task", task, "--out", str(out)])


def test_an_episode_comes_back_as_it_was(
    tmp_path: Path, task: TaskConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path / "door.hdf5", task, EPISODES, cut=7)
    assert imported(tmp_path / "door.hdf5", tmp_path / "data") == 0, capsys.readouterr().err
    data, environment = open_dataset(tmp_path / "data"), AdroitEnvironment(task)
    assert len(data) == EPISODES, "what the file's end cuts is left out"
    for number, episode in enumerate(data):
        shown = demonstrate(environment, task, 0, number)
        assert episode.info.success == shown.info.success and len(episode) == len(shown)
        np.testing.assert_allclose(episode.action, shown.action, atol=1e-5)
        np.testing.assert_allclose(episode.proprio[0], shown.proprio[0], atol=1e-5)
        # sites are where they were a physics step earlier, in a simulator that has just made one
        assert np.abs(episode.proprio - shown.proprio).max() < 0.05
        assert np.abs(episode.proprio - shown.proprio).mean() < 1e-3
        assert np.array_equal(episode.stamp_ns, shown.stamp_ns)


def test_what_is_wrong_is_named(tmp_path: Path, task: TaskConfig, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "door.hdf5", task, 1)
    assert imported(tmp_path / "door.hdf5", tmp_path / "out", "hammer_state") == 2
    assert "'actions' has (28,) numbers a step, task hammer_state has 26: it is another" in said(capsys)
    assert imported(tmp_path / "door.hdf5", tmp_path / "out", "push_wall_state") == 2
    assert "its files are of Adroit's tasks, task push_wall_state is none" in said(capsys)
    with h5py.File(tmp_path / "door.hdf5", "r+") as file:
        file["infos/qpos"][5] = np.nan
    assert imported(tmp_path / "door.hdf5", tmp_path / "out") == 2
    assert "episode 0: qpos is not finite" in said(capsys)
    with h5py.File(tmp_path / "door.hdf5", "r+") as file:
        del file["infos/door_body_pos"]
    assert imported(tmp_path / "door.hdf5", tmp_path / "out") == 2
    assert "has no 'infos/door_body_pos': it is no file of D4RL's for door_state" in said(capsys)
    (tmp_path / "door.hdf5").write_bytes(b"nothing")
    assert imported(tmp_path / "door.hdf5", tmp_path / "out") == 2
    assert "is no whole HDF5 file" in said(capsys)
    assert not (tmp_path / "out").exists()


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())
