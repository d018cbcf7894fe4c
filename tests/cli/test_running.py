# SPDX-License-Identifier: Apache-2.0
"""A run from its start to its summary, with small processes in the place of the nodes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from zprl_core.cli.running import run_session
from zprl_core.config import load_rig, load_task
from zprl_core.errors import DataError, SessionError
from zprl_core.graph import NodeSpec
from zprl_core.plan import training_plan, write_plan
from zprl_core.prepared import Prepared
from zprl_core.records import read_records
from zprl_core.run_folder import RunFolder

SESSION = """
import signal, sys, time
from pathlib import Path
from zprl_core.plan import position, read_plan
from zprl_core.records import EpisodeRecord, append_record, read_records
from zprl_core.run_folder import RunFolder

signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
folder = RunFolder(Path({path!r}))
while not (folder.path / "learner_is_up").exists():
    time.sleep(0.02)
plan, limit = read_plan(folder.plan_file), {limit}
while (now := position(plan, read_records(folder.episodes_file))) is not None and limit > 0:
    limit -= 1
    number = len(read_records(folder.episodes_file))
    append_record(folder.episodes_file, EpisodeRecord(
        episode=number, block=now.block.name, mode=now.block.mode, layout_seed=number,
        outcome="failure" if now.block.name == "base_c" else "success", steps=80, chunks=5,
        start_stamp_ns=number, end_stamp_ns=number + 1, label_author="judge"))
if now is not None:
    {then}
time.sleep(60)
"""
LEARNER = """
import signal, sys, time
from pathlib import Path
from zprl_core.run_folder import RunFolder

def end(*_):
    RunFolder(Path({path!r})).write_stats("learner_node", {{"updates": 11}})
    sys.exit(0)
signal.signal(signal.SIGINT, end)
(Path({path!r}) / "learner_is_up").touch()
time.sleep(60)
"""
NEVER = 10**6


def _prepared(
    folder: RunFolder, modules: Path, limit: int = NEVER, then: str = "sys.exit('the camera is gone')"
) -> Prepared:
    """A run of four episodes on each base path, 20 chunks, and four more, by two small processes."""
    (folder.path / "learner_is_up").unlink(missing_ok=True)
    package = modules / "standins"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    (package / "session.py").write_text(SESSION.format(path=str(folder.path), limit=limit, then=then))
    (package / "learner.py").write_text(LEARNER.format(path=str(folder.path)))
    blocks = training_plan(20, 4, None)
    write_plan(folder.plan_file, blocks)
    nodes = tuple(
        NodeSpec("standins", name, f"{name}_node", environment={"PYTHONPATH": str(modules)})
        for name in ("session", "learner")
    )
    return Prepared(folder, load_rig("sim_xarm6"), load_task("place_orange_demo"), blocks, nodes)


def test_a_run_ends_when_its_plan_is_done(
    tmp_path: Path, new_folder: Callable[..., RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = new_folder(tmp_path / "run")
    assert run_session(_prepared(folder, tmp_path), verbose=False) == 0
    summary = json.loads(folder.summary_file.read_text())
    assert summary["complete"]
    assert summary["base_c_success_rate"] == 0.0
    assert summary["base_success_rate"] == summary["base_z_success_rate"] == 1.0
    assert (summary["chunks"], summary["updates"]) == (20, 11)
    assert summary["wall_s"] > 0
    printed = capsys.readouterr()
    assert "base, through c: 0/4 = 0 % [0, 49]" in printed.out
    assert "base_z: 4/4 = 100 %" in printed.err
    assert _curve(folder, "train/steps") == [(5, 80.0), (10, 80.0), (15, 80.0), (20, 80.0)]
    assert _curve(folder, "evaluation/final")[-1] == (20, 1.0)

    run_session(_prepared(folder, tmp_path), verbose=False)
    assert "is finished, nothing is left to do" in capsys.readouterr().err


def _curve(folder: RunFolder, tag: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder.curves))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_a_dead_node_ends_the_run_and_it_goes_on_later(
    tmp_path: Path, new_folder: Callable[..., RunFolder]
) -> None:
    folder = new_folder(tmp_path / "run")
    with pytest.raises(SessionError, match=r"(?s)session_node ended with exit code 1.*the camera is gone"):
        run_session(_prepared(folder, tmp_path, limit=6), verbose=False)
    first = json.loads(folder.summary_file.read_text())
    assert (first["complete"], first["episodes"], first["updates"]) == (False, 6, 11)
    with folder.lock():
        pass
    run_session(_prepared(folder, tmp_path), verbose=False)
    summary = json.loads(folder.summary_file.read_text())
    assert (summary["complete"], summary["episodes"]) == (True, 16)
    assert summary["wall_s"] > first["wall_s"]
    assert len(json.loads(folder.versions_file.read_text())["starts"]) == 2


def test_a_summary_that_cannot_be_written_does_not_hide_why_the_run_ended(
    tmp_path: Path, new_folder: Callable[..., RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = new_folder(tmp_path / "run")
    (folder.summary_file / "x").mkdir(parents=True)
    with pytest.raises(SessionError, match="the camera is gone"):
        run_session(_prepared(folder, tmp_path, limit=6), verbose=False)
    assert f"warning: {folder.summary_file} is not up to date: " in capsys.readouterr().err


def test_two_runs_in_one_folder_are_refused(tmp_path: Path, new_folder: Callable[..., RunFolder]) -> None:
    folder = new_folder(tmp_path / "run")
    with folder.lock(), pytest.raises(DataError, match="another process is running in this folder"):
        run_session(_prepared(folder, tmp_path), verbose=False)


def test_ctrl_c_ends_every_process_and_leaves_a_summary(
    tmp_path: Path, new_folder: Callable[..., RunFolder]
) -> None:
    folder = new_folder(tmp_path / "run")
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_running import _prepared
from zprl_core.cli.running import run_session
from zprl_core.run_folder import RunFolder
folder = RunFolder(Path({str(folder.path)!r}))
run_session(_prepared(folder, Path({str(tmp_path)!r}), 3, "time.sleep(60)"), verbose=True)
"""
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as process:
        _until(lambda: len(read_records(folder.episodes_file)) == 3 or process.poll() is not None)
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=40)
    assert said.endswith(f"KeyboardInterrupt: go on with it by `zprl train --resume --out {folder.path}`\n")
    assert json.loads(folder.summary_file.read_text())["episodes"] == 3


def _until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "took too long"
        time.sleep(0.05)
