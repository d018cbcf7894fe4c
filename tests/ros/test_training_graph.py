"""`zprl train` and `zprl evaluate` as a user starts them: the whole graph of real processes, in lockstep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.ros import training
from zprl_core import record_log

CHUNKS = "24"
NEEDED = (
    "base_success_rate base_c_success_rate base_z_success_rate final_success_rate eval_episodes wilson95_base "
    "wilson95_final chunks updates wall_s stalls control_period_ms"
).split()


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Task file and base checkpoint."""
    folder = tmp_path_factory.mktemp("tiny")
    task = training.tiny_task(folder)
    return str(task), str(training.tiny_base(folder, task))


def _arguments(setup: tuple[str, str], run: Path) -> list[str]:
    task, base = setup
    words = ["train", "--rig", "sim_xarm6", "--task", task, "--base", base, "--out", str(run)]
    return [*words, "--chunks", CHUNKS, "--eval-episodes", "1", "--seed", "5"]


@pytest.fixture(scope="module")
def finished(setup: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    run = tmp_path_factory.mktemp("runs") / "undisturbed"
    done = training.zprl(*_arguments(setup, run))
    assert done.returncode == 0, done.stdout + done.stderr
    return run


def _hashes(run: Path) -> tuple[list[str], list[str], list[str]]:
    records = [repr(sorted(record.items(), key=str)) for _, record in record_log.read(run / "transitions.log")]
    return training.lines(run / "chunks.log"), training.lines(run / "episodes.jsonl"), records


def test_the_summary_has_what_the_readme_promises(finished: Path) -> None:
    summary = training.summary(finished)
    assert set(NEEDED) <= set(summary)
    assert summary["chunks"] >= int(CHUNKS)
    assert summary["updates"] == summary["chunks"] - 4  # one a chunk, after four of warm-up
    assert summary["eval_episodes"] == 1
    assert summary["stalls"] == 0


def test_every_chunk_is_logged_with_the_actor_that_its_place_requires(finished: Path) -> None:
    """Version after transition t for chunk t + 2; the first two chunks: the version at the episode's start."""
    chunks = [json.loads(line) for line in training.lines(finished / "chunks.log")]
    episodes = {r["episode"]: r for r in map(json.loads, training.lines(finished / "episodes.jsonl"))}
    learned = 0
    for episode, record in episodes.items():
        versions = [c["actor_version"] for c in chunks if c["episode"] == episode]
        assert len(versions) == record["chunks"]
        if record["mode"] == "explore":
            expected = [learned + max(0, number - 1) for number in range(len(versions))]
            assert versions == expected
            learned += len(versions)


def test_two_runs_with_one_seed_are_identical(setup: tuple[str, str], finished: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert training.zprl(*_arguments(setup, again)).returncode == 0
    assert _hashes(again) == _hashes(finished)


def test_a_killed_learner_loses_nothing(setup: tuple[str, str], finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "killed"
    process = training.start(*_arguments(setup, run))
    training.kill_after(run, "learner_node.learner_node", 5, process)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "learner_node" in output
    assert "Traceback" not in output
    resumed = training.zprl(*_arguments(setup, run), "--resume")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert _hashes(run) == _hashes(finished)


def test_a_run_is_evaluated_with_its_last_actor(setup: tuple[str, str], finished: Path, tmp_path: Path) -> None:
    task, _ = setup
    out = tmp_path / "evaluation"
    words = ["evaluate", "--rig", "sim_xarm6", "--task", task, "--policy", str(finished)]
    done = training.zprl(*words, "--episodes", "2", "--out", str(out), "--seed", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    records = [json.loads(line) for line in training.lines(out / "episodes.jsonl")]
    assert [record["mode"] for record in records] == ["steer", "steer"]
    assert training.summary(out)["final_success_rate"] is not None
