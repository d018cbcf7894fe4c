# SPDX-License-Identifier: Apache-2.0
"""L and the calibration, from demonstrations over a base policy to a run: carried on, said, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.learning.tiny import index, tiny_task, write_dataset
from zprl_core import checkpoint, cli, start
from zprl_core.base import KIND, new_model, save_base
from zprl_core.config import DelayConfig, load_rig, load_task
from zprl_core.errors import CheckpointError
from zprl_core.prepared import Prepared
from zprl_core.provenance import Provenance
from zprl_core.record_log import RecordLog
from zprl_core.resuming import resume
from zprl_core.rl.learner import CHECKPOINT, LatentSpec, Learner

TASK = load_task("place_orange_demo")
Calibrate = Callable[[str, float], Path]


@pytest.fixture
def calibrate(tmp_path: Path) -> Calibrate:
    """Writes a rig and its calibration: id, and how late its camera is, s."""
    for name in ("rigs", "calibrations"):
        (tmp_path / name).mkdir()
    rig = tmp_path / "rigs" / "cell.yaml"
    rig.write_text("extends: xarm6_place_orange_sim\nname: cell\n")

    def write(id_: str, delay_s: float) -> Path:
        data = {
            "id": id_,
            "measured": "today",
            "cameras": [{"name": "third_view", "delay_s": delay_s}],
            "arms": [{"name": "arm", "delay_s": 0.07}],
            "planning_s": 0.03,
        }
        (tmp_path / "calibrations" / "cell.yaml").write_text(yaml.safe_dump(data))
        return rig

    return write


def of(rig: Path) -> Provenance:
    return Provenance.of(load_rig(rig), TASK, lockstep=False)


def base(path: Path, provenance: Provenance | None) -> Path:
    save_base(path, new_model(TASK, 0), TASK, {"bottleneck": {"z_rms": 1.0}}, provenance)
    return path


def train(rig: Path, base: Path, out: Path) -> Prepared:
    return start.training(rig=str(rig), task=TASK.name, base=base, out=out)


def test_a_run_says_what_changed_a_little_and_refuses_what_changed_a_lot(
    tmp_path: Path, calibrate: Calibrate, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = base(tmp_path / "base.ckpt", of(calibrate("cell-1", 0.02)))
    train(calibrate("cell-1", 0.02), policy, tmp_path / "same")
    assert capsys.readouterr().err == "" and not (tmp_path / "same" / "logs" / "start.log").exists()
    train(calibrate("cell-2", 0.03), policy, tmp_path / "near")
    said = capsys.readouterr().err
    assert said.startswith("warning: ") and "base.ckpt: made under calibration cell-1 of rig cell" in said
    assert "used under calibration cell-2 of rig cell: camera third_view 20.0 -> 30.0 ms" in said
    assert (tmp_path / "near" / "logs" / "start.log").read_text() == said
    with pytest.raises(CheckpointError, match=r"cell-1.*cell-3.*camera third_view 20\.0 -> 50\.0 ms"):
        train(calibrate("cell-3", 0.05), policy, tmp_path / "far")
    assert not (tmp_path / "far").exists()


def test_a_run_that_goes_on_keeps_its_calibration(
    tmp_path: Path, calibrate: Calibrate, capsys: pytest.CaptureFixture[str]
) -> None:
    run, rig = tmp_path / "run", calibrate("cell-1", 0.02)
    train(rig, base(tmp_path / "base.ckpt", of(rig)), run)
    calibrate("cell-2", 0.03)
    resumed = resume(run, rig=str(rig))
    said = capsys.readouterr().err
    assert "which the run keeps: made under calibration cell-1" in said and "cell-2" in said
    assert resumed.rig.calibration is not None and resumed.rig.calibration.id == "cell-1"
    calibrate("cell-3", 0.05)
    with pytest.raises(CheckpointError, match=r"cell-1.*cell-3"):
        resume(run, rig=str(rig))


def test_an_actor_is_measured_where_it_learned(
    tmp_path: Path, calibrate: Calibrate, capsys: pytest.CaptureFixture[str]
) -> None:
    """The base policy came from the twin, and its actor learned at the cell."""
    run, rig = tmp_path / "run", calibrate("cell-1", 0.02)
    folder = train(rig, base(tmp_path / "base.ckpt", Provenance(rig="sim_xarm6")), run).folder
    assert (
        "made under no calibration of rig sim_xarm6, used under calibration cell-1" in capsys.readouterr().err
    )
    task, moments = load_task(folder.task_file), np.ones(new_model(TASK, 0).policy.c_dim, np.float32)
    assert task.rl.lambda_ is not None
    latent = LatentSpec(moments, moments, task.bottleneck.latent_dim, task.rl.lambda_)
    log = RecordLog(folder.transitions_file)
    Learner(task, latent, 0, log, of(rig)).save(run / CHECKPOINT)
    calibrate("cell-2", 0.05)
    with pytest.raises(CheckpointError, match=rf"{run}: made under calibration cell-1.*cell-2"):
        start.evaluation(rig=str(rig), task=TASK.name, policy=run, out=tmp_path / "evaluation")


def test_pretraining_hands_it_on_and_an_attached_bottleneck_keeps_the_base_s(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, data, first = tmp_path / "tiny.yaml", tmp_path / "data", tmp_path / "first.ckpt"
    file.write_text(yaml.safe_dump(tiny_task().to_dict()))
    write_dataset(data, [14, 11, 12])
    words = ["pretrain", "--task", str(file), "--data", str(data), "--out"]
    assert cli.main([*words, str(first)]) == 0
    recorded = Provenance(
        rig="cell", calibration="cell-1", delays=(DelayConfig(name="camera third_view", delay_s=0.03),)
    )
    assert checkpoint.load(first, KIND).provenance == recorded
    assert json.loads(first.with_name("first.ckpt.json").read_text())["provenance"] == recorded.to_dict()
    assert checkpoint.load(first, KIND).task["observation"]["lead_steps"] == 2
    again = {**index([14, 11, 12]), "calibration": "cell-2"}
    (data / "dataset.json").write_text(json.dumps(again))
    assert cli.main([*words, str(tmp_path / "second.ckpt"), "--attach", str(first)]) == 0
    assert "first.ckpt: made under calibration cell-1 of rig cell, used under" in capsys.readouterr().err
    assert checkpoint.load(tmp_path / "second.ckpt", KIND).provenance == recorded
    far = {**again, "delays": [{"name": "camera third_view", "delay_s": 0.06}]}
    (data / "dataset.json").write_text(json.dumps(far))
    assert cli.main([*words, str(tmp_path / "third.ckpt"), "--attach", str(first)]) == 2
    assert "third_view 30.0 -> 60.0 ms" in capsys.readouterr().err
    assert not (tmp_path / "third.ckpt").exists()
