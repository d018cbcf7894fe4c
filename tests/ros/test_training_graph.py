"""`zprl train` and `zprl evaluate` as a user starts them: the whole graph of real processes, in lockstep."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.inprocess import InProcess
from tests.ros import training
from zprl_core import record_log
from zprl_core.agent import EpisodeAgent
from zprl_core.arithmetic import use_threads
from zprl_core.base import load_base
from zprl_core.config import load_rig, load_task
from zprl_core.effects import SendChunk
from zprl_core.noise import digest
from zprl_core.record_log import RecordLog
from zprl_core.records import read_records
from zprl_core.replay.policies import find_policy
from zprl_core.rl.learner import LatentSpec, Learner
from zprl_core.run_folder import RunFolder
from zprl_core.runtime import PolicyRuntime
from zprl_core.steering.guard import Guard

CHUNKS = "24"
NEEDED = [
    "base_success_rate",
    "base_c_success_rate",
    "base_z_success_rate",
    "final_success_rate",
    "eval_episodes",
    "wilson95_base",
    "wilson95_final",
    "chunks",
    "updates",
    "wall_s",
    "stalls",
    "control_period_ms",
]


def _arguments(tiny: tuple[str, str], run: Path) -> list[str]:
    task, base = tiny
    words = ["train", "--rig", "sim_xarm6", "--task", task, "--base", base, "--out", str(run)]
    return [*words, "--chunks", CHUNKS, "--eval-episodes", "1", "--seed", "5"]


@pytest.fixture(scope="module")
def finished(tiny: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    run = tmp_path_factory.mktemp("runs") / "undisturbed"
    done = training.zprl(*_arguments(tiny, run))
    assert done.returncode == 0, done.stdout + done.stderr
    return run


def _hashes(run: Path) -> tuple[list[str], list[str], list[str]]:
    records = [
        repr(sorted(record.items(), key=str)) for _, record in record_log.read(run / "transitions.log")
    ]
    return training.lines(run / "chunks.log"), training.lines(run / "episodes.jsonl"), records


def test_the_summary_has_what_the_readme_promises(finished: Path) -> None:
    summary = training.summary(finished)
    assert set(NEEDED) <= set(summary)
    assert summary["chunks"] >= int(CHUNKS)
    assert summary["updates"] == summary["chunks"] - 4  # one a chunk, after four of warm-up
    assert summary["eval_episodes"] == 1
    assert summary["stalls"] == 0
    assert min(RunFolder(finished).kept_checkpoints()) >= 6


def test_every_chunk_is_logged_with_the_actor_that_its_place_requires(finished: Path) -> None:
    """Chunk t + 2: the version after transition t; the first two: the version at the episode's start."""
    chunks = [json.loads(line) for line in training.lines(finished / "chunks.log")]
    episodes = {r["episode"]: r for r in map(json.loads, training.lines(finished / "episodes.jsonl"))}
    learned = 0
    for episode, record in episodes.items():
        versions = [c["actor_version"] for c in chunks if c["episode"] == episode]
        assert len(versions) == record["chunks"]
        if record["mode"] == "explore":
            expected = [learned + max(0, number - 1) for number in range(len(versions))]
            assert versions == expected
            learned += len(versions) + 1  # its ending was settled


def test_the_guard_scaled_lambda_down_in_these_runs(finished: Path) -> None:
    scales = [json.loads(line)["scale"] for line in training.lines(finished / "chunks.log")]
    assert scales[0] == 1.0 and 0.1 <= min(scales) < 0.7


def test_two_runs_with_one_seed_are_identical(tiny: tuple[str, str], finished: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert training.zprl(*_arguments(tiny, again)).returncode == 0
    assert _hashes(again) == _hashes(finished)


def test_a_killed_learner_loses_nothing(tiny: tuple[str, str], finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "killed"
    process = training.start(*_arguments(tiny, run))
    training.kill_after(run, "learner_node.learner_node", 5, process)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "learner_node" in output
    assert "Traceback" not in output
    resumed = training.zprl(*_arguments(tiny, run), "--resume")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert _hashes(run) == _hashes(finished)


def test_the_graph_plans_what_one_process_plans(finished: Path, tmp_path: Path) -> None:
    """Neither messages nor processes change a number: the same bridge and policy without them agree."""
    use_threads(1)  # as in the nodes: sums in another order differ in their last bits
    folder = RunFolder(finished)
    task, rig = load_task(str(folder.task_file)), load_rig(str(folder.rig_file))
    model, _, _ = load_base(Path(folder.spec.base), task)
    assert task.rl.lambda_ is not None
    learner = Learner(task, LatentSpec.of(model, task), folder.spec.seed, RecordLog(tmp_path / "log"))
    agent = EpisodeAgent(
        PolicyRuntime(model, task, task.rl.lambda_),
        folder.spec.seed,
        lockstep=True,
        max_chunks=task.chunks_per_episode,
        learner=True,
        guard=Guard(task.rl.guard),
    )
    planned: list[tuple[str, ...]] = []
    loop = InProcess(rig, task, agent, learner, on_chunk=lambda send: planned.append(_digests(send)))
    for record in read_records(folder.episodes_file):
        loop.run(record.episode, record.mode, record.layout_seed)
    logged = [json.loads(line) for line in training.lines(finished / "chunks.log")]
    assert planned == [(line["weights"], line["c"], line["z_tilde"], line["actions"]) for line in logged]


def _digests(send: SendChunk) -> tuple[str, ...]:
    plan = send.plan
    return (send.weights, *(digest(array) for array in (plan.c, plan.z_tilde, plan.actions)))


def _evaluation(tiny: tuple[str, str], finished: Path, out: Path, *more: str) -> list[str]:
    words = ["evaluate", "--rig", "sim_xarm6", "--task", tiny[0], "--policy", str(finished)]
    return [*words, "--out", str(out), "--seed", "5", *more]


def test_a_state_that_was_kept_is_evaluated_in_robustness_cases(
    tiny: tuple[str, str], finished: Path, tmp_path: Path
) -> None:
    chunks, path = next(iter(RunFolder(finished).kept_checkpoints().items()))
    out = tmp_path / "evaluation"
    words = _evaluation(tiny, finished, out, "--only", "steered", "--episodes", "1")
    layouts = tmp_path / "layouts.yaml"
    layouts.write_text("layouts: [{name: middle, places: [{object: orange half, x_m: 0.0, y_m: 0.0}]}]")
    words += ["--case", "model_orange", "--case", "distractors", "--layouts", str(layouts)]
    done = training.zprl(*words, "--checkpoint", str(chunks + 1))
    assert done.returncode == 2
    assert f"kept no state of {chunks + 1} training chunks; those it kept: {chunks}," in done.stderr
    done = training.zprl(*words, "--checkpoint", str(chunks))
    assert done.returncode == 0, done.stdout + done.stderr
    assert RunFolder(out).spec.actor == str(path)
    assert find_policy(path) == replace(find_policy(finished, chunks), name=f"{finished.name}-{chunks:06d}")
    records = read_records(out / "episodes.jsonl")
    assert [(record.case, record.mode) for record in records] == [
        ("model_orange", "steer"),
        ("distractors", "steer"),
    ]
    assert "radius: 0.029" in records[0].layout and "shape: " in records[1].layout
    assert records[0].layout_seed == records[1].layout_seed
    assert all("half_xy: [0.415, -0.095]" in record.layout for record in records)
    assert [row["case"] for row in training.summary(out)["cases"]["rows"]] == ["model_orange", "distractors"]
    assert "distractors, steered: " in done.stdout


def test_a_run_is_evaluated_in_turns_with_its_base_and_over_a_kill(
    tiny: tuple[str, str], finished: Path, tmp_path: Path
) -> None:
    out, killed = tmp_path / "evaluation", tmp_path / "killed"
    done = training.zprl(*_evaluation(tiny, finished, out, "--episodes", "3"))
    assert done.returncode == 0, done.stdout + done.stderr
    records = read_records(out / "episodes.jsonl")
    for first, second in zip(records[::2], records[1::2], strict=True):
        assert {first.mode, second.mode} == {"base_c", "steer"}
        assert first.layout_seed == second.layout_seed
    assert len(records) == 6
    summary = training.summary(out)
    assert (summary["comparison"]["pairs"], summary["complete"]) == (3, True)
    assert summary["comparison"]["says"] in done.stdout
    assert "trial" in done.stderr and "final" not in done.stderr and "base" not in done.stderr

    process = training.start(*_evaluation(tiny, finished, killed, "--episodes", "3"))
    training.kill_after(killed, "policy_node.policy_node", 3, process)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0 and "steered" not in output
    resumed = training.zprl("evaluate", "--resume", "--out", str(killed))
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    for name in ("episodes.jsonl", "chunks.log"):
        assert training.lines(killed / name) == training.lines(out / name)
