"""The commands of a user at a cell, with the vendor's SDK and a simulated control box instead of an arm."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from tests.hardware.boxes import box
from tests.ros import training
from zprl_core.config import load_rig
from zprl_core.records import read_records
from zprl_core.run_folder import RunFolder
from zprl_sim.xarm_box.client import BoxClient

SCENE = ("--model", "xarm6", "--scene", "place_orange", "--gripper", "robotiq_2f85")
PATIENCE_S = 120.0
STANDS_S = 8.0  # longer than a reset, which needs no actor


def rig_file(folder: Path, bench: BoxClient) -> Path:
    """The Place Orange cell before this box, for a machine that does other things too."""
    rig = load_rig("xarm6_place_orange_sim")
    arm = replace(rig.arms[0], address=bench.address, watchdog_s=0.8, lease_s=2.0)
    path = folder / "cell.yaml"
    path.write_text(yaml.safe_dump(replace(rig, arms=(arm,)).to_dict()))
    return path


def words(folder: Path, bench: BoxClient) -> list[str]:
    """What a session is started with: a small task, and a base policy that stays near the arm's home."""
    task = training.tiny_task(folder)
    patient = yaml.safe_load(task.read_text())
    patient["observation"] |= {"max_age_s": 1.0, "lead_steps": 10}
    task.write_text(yaml.safe_dump(patient))
    base = training.tiny_base(folder, task)
    rig = ["--rig", str(rig_file(folder, bench)), "--task", str(task), "--realtime"]
    return [*rig, "--out", str(folder / "run"), *("--base", str(base))]


def test_training_runs_to_its_end_without_an_error_of_the_sdk(tmp_path: Path) -> None:
    with box(*SCENE) as bench:
        done = training.zprl("train", *words(tmp_path, bench), "--chunks", "9", "--eval-episodes", "1")
        assert done.returncode == 0, done.stderr
        assert bench.status()["error"] == 0
    episodes = read_records(tmp_path / "run" / "episodes.jsonl")
    assert {e.outcome for e in episodes} == {"horizon"}, episodes
    assert {e.block for e in episodes} == {"base_c", "base_z", "train", "final"}
    assert "no answer in time" not in (tmp_path / "run" / "logs" / "arm_bridge.log").read_text()


def test_a_learner_that_is_killed_ends_the_session_and_the_arm_comes_to_rest(tmp_path: Path) -> None:
    with box(*SCENE) as bench:
        process = training.start("train", *words(tmp_path, bench), "--chunks", "99", "--eval-episodes", "0")
        began_ns, end_s = time.time_ns(), time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s and not (bench.trace(began_ns).speed_m_s > 0.05).any():
            assert process.poll() is None
            time.sleep(0.02)
        killed_ns = time.time_ns()
        os.kill(training.node_pid(tmp_path / "run", "learner_node.learner_node"), signal.SIGKILL)
        said, _ = process.communicate(timeout=60)
        time.sleep(0.5)
        trace = bench.trace(killed_ns)
        assert process.returncode != 0 and "learner_node was killed by SIGKILL" in said
        moving = np.nonzero(trace.speed_m_s > 0.005)[0]
        stop_s = (trace.stamp_ns[moving[-1]] - killed_ns) * 1e-9 if len(moving) else 0.0
        assert stop_s < 3.0
        assert bench.status()["state"] == 4, "the bridge stops the box when it ends"


def test_while_the_learner_stands_the_arm_holds_and_the_run_goes_on_after_a_stall(tmp_path: Path) -> None:
    with box(*SCENE) as bench:
        process = training.start("train", *words(tmp_path, bench), "--chunks", "12", "--eval-episodes", "0")
        episodes, end_s = tmp_path / "run" / "episodes.jsonl", time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s and "train" not in {e.block for e in read_records(episodes)}:
            assert process.poll() is None
            time.sleep(0.05)
        learner = training.node_pid(tmp_path / "run", "learner_node.learner_node")
        os.kill(learner, signal.SIGSTOP)
        time.sleep(STANDS_S)
        since_ns = time.time_ns() - 1_000_000_000
        held = bench.trace(since_ns)
        os.kill(learner, signal.SIGCONT)
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
        assert held.speed_m_s.max() < 0.05, "nothing is planned without the actor that is due"
    assert RunFolder.open(tmp_path / "run").read_stats()["policy_node"]["stalls"] >= 1
    assert sum(e.void for e in read_records(episodes)) <= 2


def test_in_shadow_mode_nothing_is_sent_to_the_box(tmp_path: Path) -> None:
    with box(*SCENE) as bench:
        began_ns = time.time_ns()
        given = words(tmp_path, bench)
        given[given.index("--base")] = "--policy"
        done = training.zprl("evaluate", *given, "--episodes", "1", "--shadow")
        assert done.returncode == 0, done.stderr
        trace = bench.trace(began_ns)
        assert len(trace.setpoint_ns) == 0 and trace.speed_m_s.max() < 0.005
        assert not any(bench.status()["enabled"])
    assert {e.outcome for e in read_records(tmp_path / "run" / "episodes.jsonl")} == {"horizon"}
