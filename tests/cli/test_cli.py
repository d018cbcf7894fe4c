# SPDX-License-Identifier: Apache-2.0
"""The command line as a user meets it: help, mistakes and their messages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import zprl_core
from tests.panel.bench import free_port
from zprl_core import cli
from zprl_core.config import load_task
from zprl_core.plan import training_plan, write_plan
from zprl_core.run_folder import RunFolder

COMMANDS = (
    "collect",
    "pretrain",
    "lambda",
    "train",
    "evaluate",
    "launch",
    "bag",
    "dataset",
    "doctor",
    "sim-xarm",
)
TASK, RIG = "place_orange_demo", "sim_xarm6"
EVALUATE = f"evaluate --rig {RIG} --task {TASK} --policy absent --out e"


def zprl(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zprl_core.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


Fails = Callable[..., str]


@pytest.fixture
def fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fails:
    """Run a command that a user got wrong, in `tmp_path`; gives what it said."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        try:
            code: object = cli.main(arguments)
        except SystemExit as end:  # argparse
            code = end.code
        assert code == 2
        return capsys.readouterr().err

    return run


def test_help_of_the_whole(tmp_path: Path) -> None:
    done = zprl("--help", cwd=tmp_path)
    assert done.returncode == 0
    for command in COMMANDS:
        assert f"    {command} " in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_ends_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main([command, "--help"])
    description, example = capsys.readouterr().out.rsplit("example:\n", 1)
    assert f"zprl {command}" in example
    assert len(description.splitlines()) > 8


@pytest.mark.parametrize("part", ["run", "status", "report", "list"])
def test_help_of_a_part_of_experiment_ends_with_its_example(
    part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["experiment", part, "--help"])
    assert capsys.readouterr().out.rsplit("example:\n", 1)[1].startswith(f"  zprl experiment {part}")


def test_a_refused_folder_is_refused_before_there_is_a_bar(tmp_path: Path, fails: Fails) -> None:
    pytest.importorskip("zprl_sim")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").touch()
    said = fails("collect", "--rig", RIG, "--task", TASK, "--out", "used")
    assert said.startswith("zprl collect: error: ") and "used: holds mine.txt" in said


def test_version(tmp_path: Path) -> None:
    assert zprl("--version", cwd=tmp_path).stdout == f"zprl {zprl_core.__version__}\n"


def test_the_process_of_a_mistake_ends_with_code_2_and_no_traceback(tmp_path: Path) -> None:
    done = zprl("train", "--resume", "--out", "absent", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("zprl train: error: absent: does not exist")
    assert len(done.stderr.splitlines()) == 1


MISTAKES = [
    ("", "the following arguments are required: COMMAND"),
    ("fly", "invalid choice: 'fly'"),
    ("train", "the following arguments are required: --out"),
    ("train --out run", "--rig, --task, --base: required unless --resume goes on with a run"),
    (f"train --rig {RIG} --task {TASK} --base b --out run --chunks -1", "'-1' is not a whole number"),
    (f"train --rig {RIG} --task {TASK} --base b --out run --lambda 0", "'0' is not a number above 0"),
    (f"train --rig {RIG} --task place_ornage --base b --out run", "did you mean 'place_orange'?"),
    (f"train --rig sim_xarm7 --task {TASK} --base b --out run", "did you mean 'sim_xarm6'?"),
    (f"train --rig {RIG} --task open_box --base b --out run", "rig sim_xarm6 has no camera 'left_wrist'"),
    (
        f"train --rig {RIG} --task {TASK} --base absent.ckpt --out run",
        "absent.ckpt: no such checkpoint. Make one",
    ),
    (f"train --rig {RIG} --task {TASK} --base torn.ckpt --out run", "torn.ckpt is truncated"),
    (f"train --rig {RIG} --task {TASK} --base torn.ckpt --out used", "used: exists and is not empty"),
    ("train --resume --out absent", "absent: does not exist, so it is not a run folder"),
    ("train --resume --out used", "used: has no run.json"),
    (f"evaluate --rig {RIG} --task {TASK} --policy absent --out e", "absent: no such checkpoint"),
    (f"evaluate --rig {RIG} --task {TASK} --policy used --out e", "used: has no run.json"),
    ("evaluate --out e", "--rig, --task, --policy: required unless --resume goes on with an evaluation"),
    ("evaluate --resume --out absent", "absent: does not exist, so it is not a run folder"),
    (
        "evaluate --resume --out e --episodes 3 --stop-early",
        "--episodes, --stop-early: stands in the evaluation",
    ),
    (f"{EVALUATE} --error-rate 1", "'1' is not below 1"),
    (f"{EVALUATE} --only steered", "--only steered: absent is no run, so that nothing steers"),
    (f"{EVALUATE} --only best", "invalid choice: 'best'"),
    (f"{EVALUATE} --case real_egg", "robustness case 'real_egg' is not among the task's evaluation.cases"),
    (f"{EVALUATE} --case all --stop-early", "a robustness case has a fixed number of trials"),
    (f"{EVALUATE} --only base --stop-early", "ending early compares two policies; leave --only out"),
    (f"launch evaluate rig:={RIG} task:={TASK} only:=best", "only:=best: allowed: steered, base_z, base"),
    (f"launch evaluate rig:={RIG} task:={TASK} cases:=a,b", "robustness case 'a' is not among"),
    (
        f"launch evaluate rig:={RIG} task:={TASK} stop_early:=true error_rate:=5",
        "error_rate:=5: not a number between 0 and 1",
    ),
    (
        f"pretrain --task {TASK} --data absent --out b.ckpt",
        "absent/dataset.json does not exist; `zprl collect",
    ),
    (f"pretrain --task {TASK} --data used --out torn.ckpt", "torn.ckpt: exists"),
    (f"lambda --task {TASK} --base absent.ckpt --data used", "absent.ckpt does not exist"),
    (f"collect --rig {RIG} --task {TASK} --out d --episodes 0", "'0' is not a whole number of at least 1"),
    (f"collect --rig {RIG} --task can --out d", "has no camera 'agentview'"),
    ("launch train", "rig:=... is required"),
    (
        f"launch train rig:={RIG} task:=place_orange",
        "runs/place_orange/base.ckpt: no such checkpoint. Make one",
    ),
    (f"launch evaluate rig:={RIG} task={TASK}", "'task=place_orange_demo' is not of the form name:=value"),
    ("launch fly", "invalid choice: 'fly'"),
    ("train --out run --fly", "unrecognized arguments: --fly"),
    (f"launch train --quiet rig:={RIG} task:=place_orange", "base.ckpt: no such checkpoint. Make one"),
    (f"launch train rig:={RIG} --quiet task:=place_orange", "base.ckpt: no such checkpoint. Make one"),
    (f"launch --quiet train rig:={RIG} task:=place_orange", "base.ckpt: no such checkpoint. Make one"),
    (f"launch train --rig {RIG}", f"'--rig' is not of the form name:=value; write rig:={RIG}"),
    (f"launch train task:=can --rig={RIG}", f"write rig:={RIG}"),
    (f"launch train --record rig:={RIG}", "write record:=..."),
    ("launch train --ring r", "unknown option '--ring'; did you mean 'rig'?"),
    (
        f"collect --rig {RIG} --task {TASK} --out d --panel none --limit-s 9",
        "--panel, --limit-s: only where a person demonstrates; add --teleop",
    ),
    ("smoothness absent --out s", "error: absent: does not exist; name the folder of a run, or of a bag"),
    ("steering absent --out s", "error: absent: no such checkpoint or run folder"),
]


@pytest.mark.parametrize(("line", "said"), MISTAKES, ids=[line or "nothing" for line, _ in MISTAKES])
def test_a_mistake_gets_a_message_and_leaves_nothing_behind(
    line: str, said: str, tmp_path: Path, fails: Fails
) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").touch()
    (tmp_path / "torn.ckpt").write_bytes(b"PK\x03\x04 half a checkpoint")
    before = sorted(tmp_path.rglob("*"))
    assert said in fails(*line.split())
    assert sorted(tmp_path.rglob("*")) == before


def test_a_checkpoint_of_another_task_names_the_field(tmp_path: Path, fails: Fails) -> None:
    pytest.importorskip("torch")
    from zprl_core import checkpoint
    from zprl_core.base import KIND

    checkpoint.save(tmp_path / "b.ckpt", KIND, load_task("place_orange").to_dict(), {"model": {}})
    said = fails(*f"train --rig {RIG} --task {TASK} --base b.ckpt --out run".split())
    assert "trained for task 'place_orange'" in said
    assert "policy.resnet_width: 64, 16" in said
    assert not (tmp_path / "run").exists()


def _dataset(folder: Path, *, camera: str, proprio: float) -> None:
    """One short episode of the demo task, written by hand."""
    task, ticks = load_task(TASK), 20
    view = task.observation.cameras[0]
    folder.mkdir()
    np.savez(
        folder / "episode_00000.npz",
        **{f"image_{camera}": np.zeros((ticks, view.height, view.width, 3), np.uint8)},
        proprio=np.full((ticks, task.observation.proprio_dim), proprio, np.float32),
        action=np.zeros((ticks, task.action.dim), np.float32),
        stamp_ns=np.arange(ticks),
    )
    index = {
        "format": 1,
        "task": TASK,
        "rig": RIG,
        "rate_hz": task.rate_hz,
        "cameras": {camera: [view.height, view.width]},
        "proprio_dim": task.observation.proprio_dim,
        "action_dim": task.action.dim,
        "episodes": [{"file": "episode_00000.npz", "steps": ticks, "success": True}],
    }
    (folder / "dataset.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("camera", "proprio", "said"),
    [
        ("wrong", 0.0, "camera 'third_view' of task place_orange_demo is missing; it has: wrong"),
        ("third_view", np.nan, "'proprio' is not finite at tick 0"),
    ],
)
def test_a_damaged_dataset_is_named(
    tmp_path: Path, camera: str, proprio: float, said: str, fails: Fails
) -> None:
    _dataset(tmp_path / "data", camera=camera, proprio=proprio)
    heard = fails("pretrain", "--task", TASK, "--data", "data", "--out", "b.ckpt")
    assert said in heard
    assert str(Path("data")) in heard
    assert not (tmp_path / "b.ckpt").exists()


def test_resume_says_what_differs(tmp_path: Path, new_folder: Callable[..., RunFolder], fails: Fails) -> None:
    new_folder(tmp_path / "run")
    said = fails("train", "--resume", "--out", "run", "--seed", "9")
    assert "was started with seed = 3, --resume was given 9" in said
    said = fails("train", "--resume", "--out", "run", "--task", "place_orange")
    assert "task = 'place_orange_demo', --resume was given 'place_orange'" in said
    said = fails("train", "--resume", "--out", "run", "--lambda", "7")
    assert f"was started with lambda = {load_task('place_orange_demo').rl.lambda_}, not 7.0" in said
    write_plan(tmp_path / "run" / "plan.json", training_plan(20, 4, None))
    said = fails("train", "--resume", "--out", "run", "--eval-every", "7")
    assert "was started with other evaluations than every 7 chunks" in said
    new_folder(tmp_path / "evaluation", mode="evaluate")
    said = fails("train", "--resume", "--out", "evaluation")
    assert "is no training run; go on with it by `zprl evaluate --resume --out" in said
    said = fails("evaluate", "--resume", "--out", "run")
    assert "run: is no evaluation; go on with it by `zprl train --resume --out" in said
    new_folder(tmp_path / "demos", mode="collect")
    said = fails("train", "--resume", "--out", "demos")
    assert "is no training run; go on with it by `zprl collect --resume --out " in said


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_ends_a_command_cleanly(tmp_path: Path, workers: str) -> None:
    """As on a terminal: the signal goes to the whole process group."""
    pytest.importorskip("zprl_sim")
    line = f"collect --rig {RIG} --task {TASK} --out data --episodes 500 --workers {workers}"
    process = subprocess.Popen(
        [sys.executable, "-m", "zprl_core.cli", *line.split()],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + 60
    while not any(path.stat().st_size > 1000 for path in tmp_path.glob(".data.*/image_*.npy")):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert stderr.strip().endswith("zprl collect: interrupted")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_a_session_with_the_command_that_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = f"collect --rig {RIG} --task {TASK} --teleop 127.0.0.1:{free_port()} --panel none --out {run}"
    process = subprocess.Popen(
        [sys.executable, "-m", "zprl_core.cli", *line.split()],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 60
        while not (run / "live.json").exists():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # while its nodes are being started
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()  # its nodes end with it
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    said = f"zprl collect: interrupted; go on with it by `zprl collect --resume --out {run}`"
    assert stderr.strip().endswith(said)


def test_doctor_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "broken.yaml").write_text("name: broken\n")
    environment = {**os.environ, "ZPRL_CONFIG_DIR": str(tmp_path), "MUJOCO_GL": "nonsense"}
    done = subprocess.run(
        [sys.executable, "-m", "zprl_core.cli", "doctor"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith("FAIL configs") for line in lines)
    assert any("broken.yaml" in line for line in lines)
    assert any(line.startswith("FAIL MuJoCo renders off-screen with nonsense") for line in lines)
    assert any(line.startswith("ok   Python") for line in lines)


@pytest.mark.parametrize("command", ["collect", "pretrain"])
def test_a_folder_that_cannot_be_made_is_named(fails: Fails, tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("")
    words = {"collect": ["--rig", RIG, "--episodes", "1"], "pretrain": ["--data", "data"]}[command]
    said = fails(command, "--task", TASK, *words, "--out", "file/x/base.ckpt")
    assert "cannot be made" in said and "--out" in said


def test_a_seed_that_no_parameter_holds_is_refused(fails: Fails) -> None:
    said = fails(
        "evaluate", "--rig", RIG, "--task", TASK, "--policy", "p", "--out", "o", "--seed", str(2**70)
    )
    assert f"above {2**62}" in said
