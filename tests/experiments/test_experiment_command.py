"""`zprl experiment` as a person uses it: run, look, go on, report; and what it says where it cannot."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from zprl_core.experiments.cells import CellConfig, task_of
from zprl_core.experiments.demonstrations import collect

SMALL = {
    "budget.demonstrations": 8,
    "budget.chunks": 40,
    "pretrain.max_steps": 30,
    "bottleneck.steps": 20,
    "rl.warmup_chunks": 10,
    "rl.hidden": 16,
    "rl.batch_size": 8,
    "evaluation.episodes": 4,
    "evaluation.every_chunks": 20,
    "horizon_steps": 40,
}
FEWER = {"budget.demonstrations": 3}
METHODS = {"zprl": 0.3, "action_residual": 0.3, "reinflow": None}


def zprl(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "zprl_core.cli", "experiment", *words],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small experiment."""
    cells = [
        {"task": "push_wall_state", "method": method, "scale": scale, "set": SMALL}
        for method, scale in METHODS.items()
    ]
    path = tmp_path_factory.mktemp("experiment") / "mine.yaml"
    data = {"title": "Small", "source": "nowhere", "seeds": [0], "environments": 2, "cpu": cells}
    path.write_text(json.dumps(data))
    return path


@pytest.mark.slow
def test_it_runs_goes_on_and_reports(mine: Path, tmp_path: Path) -> None:
    pytest.importorskip("metaworld", reason="metaworld is not installed: make setup")
    root, words = tmp_path / "root", [str(mine), "--root", str(tmp_path / "root")]
    root.mkdir()
    before = zprl("status", *words).stdout
    assert "push_wall_state zprl, seed 0: not begun" in before
    assert "demonstrations/push_wall_state-" in before and "(not there yet)" in before
    first = zprl("run", *words, "--only", "zprl", "--processes", "1")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "1 trials to run" in first.stdout and "push_wall_state zprl, seed 0: done" in first.stdout
    chosen = zprl("report", *words, "--only", "zprl", "--out", str(tmp_path / "chosen"))
    command = f"zprl experiment report {mine} --root root --out chosen --scale cpu --only zprl"
    assert f"Command: `{command}`" in (tmp_path / "chosen" / "report.md").read_text(), chosen.stderr
    half = zprl("report", *words, "--out", str(tmp_path / "half"))
    assert (
        "Not finished: push_wall_state action_residual: 0 of 1 seeds"
        in half.stdout + (tmp_path / "half" / "report.md").read_text()
    )
    rest = zprl("run", *words, "--processes", "2", "--simulators", "1")
    assert rest.returncode == 0, rest.stdout + rest.stderr
    assert "2 trials to run" in rest.stdout
    assert len(list((root / "bases").glob("*/seed0/base.ckpt"))) == 1, "one base for all"
    status = zprl("status", *words).stdout
    assert status.count(": done 1") == 3 and "success" in status, status
    done = zprl("report", *words, "--out", str(tmp_path / "report"))
    assert done.returncode == 0, done.stdout + done.stderr
    text = (tmp_path / "report" / "report.md").read_text()
    assert "Not finished" not in text and "reinflow" in text
    assert f"torch {version('torch')}" in text, "what computed it"
    for picture in ("", "_ways", "_effect", "_maps"):
        assert (tmp_path / "report" / f"push_wall_state{picture}.png").stat().st_size > 10_000
    assert "| Environment steps | zprl | action_residual | reinflow |" in text
    assert "0 trials to run" in zprl("run", *words).stdout
    points = next(root.glob("trials/*zprl*/seed0/points.jsonl"))
    whole = points.read_bytes()
    points.write_bytes(b"\xff" + whole)
    assert "damaged: " in zprl("status", *words, "--only", "zprl").stdout
    refused = zprl("report", *words, "--out", str(tmp_path / "damaged"))
    assert refused.returncode == 2 and "points.jsonl: line 1 is no point" in refused.stderr
    mended = zprl("run", *words, "--only", "zprl", "--processes", "1")
    assert mended.returncode == 0 and points.read_bytes() == whole, mended.stdout + mended.stderr


@pytest.mark.slow
def test_killed_trials_are_shown_and_gone_on_from(mine: Path, tmp_path: Path) -> None:
    pytest.importorskip("metaworld", reason="metaworld is not installed: make setup")
    two = {**json.loads(mine.read_text())}
    two["cpu"] = two["cpu"][:2]
    (tmp_path / "two.yaml").write_text(json.dumps(two))
    words = [str(tmp_path / "two.yaml"), "--root", str(tmp_path / "root")]
    command = [sys.executable, "-m", "zprl_core.cli", "experiment", "run", *words, "--processes", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 250.0

    def first_point(method: str) -> None:
        while not list(tmp_path.glob(f"root/trials/*{method}*/seed0/points.jsonl")):
            assert time.monotonic() < deadline and process.poll() is None, process.communicate()
            time.sleep(0.05)

    first_point("zprl")
    (worker,) = workers(process.pid)
    os.kill(worker, signal.SIGKILL)  # one trial's process: the other trial is run all the same
    first_point("action_residual")
    process.kill()  # the command alone: its processes end with it
    while "running" in zprl("status", *words).stdout:
        assert time.monotonic() < deadline, "a process went on"
    out, _ = process.communicate()
    assert "action_residual, seed 0: done" not in out
    assert zprl("status", *words).stdout.count(": begun") == 2
    done = zprl("run", *words, "--processes", "1")
    assert done.returncode == 0 and done.stdout.count(": done") == 2, done.stdout + done.stderr


def workers(parent: int) -> list[int]:
    """Processes that a command's trials run in."""
    told = [path.read_text() for path in Path(f"/proc/{parent}/task").glob("*/children")]
    children = [int(word) for each in told for word in each.split()]
    return [child for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.slow
def test_demonstrations_of_another_number_are_refused(mine: Path, tmp_path: Path) -> None:
    pytest.importorskip("metaworld", reason="metaworld is not installed: make setup")
    words = [str(mine), "--root", str(tmp_path), "--only", "zprl"]
    where = [line for line in zprl("status", *words).stdout.splitlines() if line.startswith("demonstrations")]
    folder = Path(where[0].removeprefix("demonstrations: ").removesuffix(" (not there yet)"))
    collect(task_of(CellConfig(task="push_wall_state", method="zprl", set={**SMALL, **FEWER})), folder, 0)
    refused = zprl("run", *words, "--processes", "1")
    problem = f"{folder}: holds 3 demonstrations, budget.demonstrations is 8; import so many with"
    assert refused.returncode == 2 and problem in refused.stderr, refused.stderr


def test_a_list_of_everything() -> None:
    done = zprl("list")
    assert done.returncode == 0 and "figure_3: Success over environment steps" in done.stdout


def test_who_stops_reading_gets_no_complaint() -> None:
    command = [sys.executable, "-m", "zprl_core.cli", "experiment", "list"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None and process.stderr.read() == ""
    assert process.wait() == 141


def test_what_it_cannot_do_it_says_in_one_line(mine: Path, tmp_path: Path) -> None:
    done = zprl("run", "figure_9", "--root", str(tmp_path))
    assert done.returncode == 2 and "unknown experiment 'figure_9'" in done.stderr
    done = zprl("status", str(mine), "--root", str(tmp_path), "--only", "dppoo")
    assert done.returncode == 2 and "no cell of" in done.stderr and "push_wall_state zprl" in done.stderr
    assert "Traceback" not in done.stderr
    for what in (("status",), ("report", "--out", str(tmp_path / "out"))):
        done = zprl(*what, str(mine), "--root", str(tmp_path / "tpyo"))
        assert done.returncode == 2 and "tpyo: no such folder" in done.stderr


def test_a_missing_simulator_is_one_line_with_the_command_that_mends_it(mine: Path, tmp_path: Path) -> None:
    """An environment without site packages of simulators: a path entry that hides them."""
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(
        "import importlib.metadata as m\n"
        "found = m.distribution\n"
        "def without(name):\n"
        "    if name == 'metaworld':\n"
        "        raise m.PackageNotFoundError(name)\n"
        "    return found(name)\n"
        "m.distribution = without\n"
    )
    words = ("run", str(mine), "--root", str(tmp_path / "root"), "--only", "zprl", "--processes", "1")
    done = zprl(*words, PYTHONPATH=str(hide))
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if "metaworld" in line]
    assert "metaworld 3.1 is not installed: pip install" in line and "--no-deps metaworld==" in line
    assert "failed" in zprl("status", *words[1:6]).stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(mine: Path, tmp_path: Path) -> None:
    refused = zprl("run", str(mine), "--root", str(tmp_path / "root"), "--device", "cuda")
    assert refused.returncode == 2 and "finds 0 CUDA GPUs; use --device cpu" in refused.stderr
    assert not (tmp_path / "root").exists()
