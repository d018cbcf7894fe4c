# SPDX-License-Identifier: Apache-2.0
"""The run folder: created whole, never over another one, resumed only as it was started."""

from __future__ import annotations

import dataclasses
import json
import math
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from zprl_core.config import load_rig, load_task
from zprl_core.errors import DataError
from zprl_core.plan import training_plan, write_plan
from zprl_core.records import EpisodeRecord, append_record, read_records
from zprl_core.run_folder import RunFolder, RunSpec, new_run_id, write_json, write_text
from zprl_core.stats import wilson
from zprl_core.summary import recent, summarise, write_summary
from zprl_core.versions import versions

Make = Callable[..., EpisodeRecord]
New = Callable[..., RunFolder]


def test_create_writes_what_every_node_loads(tmp_path: Path, new_folder: New, spec: RunSpec) -> None:
    folder = new_folder(tmp_path / "a" / "run")
    assert load_task(folder.task_file) == load_task("place_orange_demo")
    assert load_rig(folder.rig_file) == load_rig("sim_xarm6")
    assert RunFolder.open(tmp_path / "a" / "run").spec == spec
    for made in (folder.checkpoints, folder.curves, folder.logs):
        assert made.is_dir()


def test_a_used_folder_is_refused(tmp_path: Path, new_folder: New) -> None:
    (tmp_path / "empty").mkdir()
    new_folder(tmp_path / "empty")
    with pytest.raises(DataError, match=r"empty: exists and is not empty\. .*--resume"):
        new_folder(tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file: is a file"):
        new_folder(tmp_path / "file")


def test_what_is_no_run_is_not_opened(tmp_path: Path, new_folder: New) -> None:
    with pytest.raises(DataError, match="does not exist"):
        RunFolder.open(tmp_path / "absent")
    with pytest.raises(DataError, match=r"has no run\.json"):
        RunFolder.open(tmp_path)
    folder = new_folder(tmp_path / "run")
    folder.spec_file.write_text('{"run_id": "x"}')
    with pytest.raises(DataError, match=r"run\.json"):
        _ = folder.spec


def test_resume_must_say_the_same(tmp_path: Path, new_folder: New) -> None:
    folder = new_folder(tmp_path / "run")
    folder.check_resumable({"seed": 3, "chunks": 20})
    with pytest.raises(DataError, match="started with seed = 3, --resume was given 4"):
        folder.check_resumable({"chunks": 20, "seed": 4})


def _try_lock(path: Path, queue: multiprocessing.Queue[str]) -> None:
    try:
        with RunFolder(path).lock():
            queue.put("got it")
    except DataError as error:
        queue.put(str(error))


def test_only_one_process_runs_in_a_folder(tmp_path: Path, new_folder: New) -> None:
    folder = new_folder(tmp_path / "run")
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[str] = context.Queue()
    with folder.lock():
        child = context.Process(target=_try_lock, args=(folder.path, answers))
        child.start()
        assert "another process is running" in answers.get(timeout=30)
        child.join()
    with folder.lock():
        pass


def test_a_failed_write_leaves_the_old_file_and_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": math.nan})
    with pytest.raises(TypeError):
        write_text(path, 3)  # type: ignore[arg-type]
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_run_ids_differ() -> None:
    assert len({new_run_id() for _ in range(50)}) == 50


def test_versions_are_plain_data() -> None:
    found = versions()
    assert json.loads(json.dumps(found)) == found
    assert found["packages"]["numpy"]


def _finished(record: Make) -> list[EpisodeRecord]:
    """base_c 1/4, base_z 2/4, train 10 + 15 chunks, final 4/4, and a void one."""
    outcomes = [("base_c", "sfff"), ("base_z", "ssfh"), ("train", "fvs"), ("final", "ssss")]
    words = {"s": "success", "f": "failure", "h": "horizon", "v": "void"}
    records: list[EpisodeRecord] = []
    for block, letters in outcomes:
        for letter in letters:
            chunks = {"f": 10, "s": 15}.get(letter, 13) if block == "train" else 5
            records.append(record(len(records), block, words[letter], chunks))
    return records


def test_summary_of_a_finished_run(record: Make, spec: RunSpec) -> None:
    stats = {
        "learner_node": {"updates": 25, "excluded": 1},
        "policy_node": {"stalls": 2},
        "arm_bridge": {"control_period_ms": {"p50": 8.3, "p99": 8.4}, "skipped_steps": 0},
        "clock": {"wall_s": 12.5},
    }
    summary = summarise(spec, training_plan(20, 4, None), _finished(record), stats)
    assert summary["complete"]
    assert summary["base_c_success_rate"] == 0.25
    assert summary["base_z_success_rate"] == summary["base_success_rate"] == 0.5
    assert summary["final_success_rate"] == 1.0
    assert summary["eval_episodes"] == 4
    assert summary["wilson95_base"] == pytest.approx(wilson(2, 4))
    assert summary["wilson95_final"] == pytest.approx(wilson(4, 4))
    assert summary["gain"] == 0.5
    assert (summary["chunks"], summary["updates"], summary["stalls"]) == (25, 25, 2)
    assert summary["wall_s"] == 12.5
    assert summary["control_period_ms"] == {"p50": 8.3, "p99": 8.4}
    assert (summary["episodes"], summary["void_episodes"]) == (15, 1)
    curve = [(p["block"], p["chunks"], p["success_rate"]) for p in summary["evaluations"]]
    assert curve == [("base_c", 0, 0.25), ("base_z", 0, 0.5), ("final", 20, 1.0)]
    json.dumps(summary, allow_nan=False)


def test_summary_before_anything_was_measured(spec: RunSpec) -> None:
    summary = summarise(spec, training_plan(20, 4, None), [], {})
    assert not summary["complete"]
    for key in ("base_success_rate", "final_success_rate", "wilson95_base", "gain", "control_period_ms"):
        assert summary[key] is None
    assert (summary["chunks"], summary["updates"], summary["stalls"], summary["wall_s"]) == (0, 0, 0, 0)
    json.dumps(summary, allow_nan=False)


def test_summary_file(tmp_path: Path, record: Make, new_folder: New) -> None:
    folder = new_folder(tmp_path / "run")
    blocks = training_plan(20, 4, None)
    write_plan(folder.plan_file, blocks)
    folder.write_stats("learner_node", {"updates": 7})
    for one in _finished(record):
        append_record(folder.episodes_file, one)
    written = write_summary(folder, blocks, read_records(folder.episodes_file))
    assert json.loads(folder.summary_file.read_text()) == written
    assert written["updates"] == 7


def test_the_recent_rate_looks_at_the_last_fifty(record: Make) -> None:
    records = [record(i, "train", "success" if i >= 50 else "failure") for i in range(75)]
    assert recent(records).rate == 0.5
    assert math.isnan(recent([]).rate)


def test_episodes_with_the_motors_off_count_in_no_rate(record: Make, spec: RunSpec) -> None:
    """The plan goes on by them, but they say nothing about the policy."""
    plan = training_plan(20, 4, None)
    shadow = [dataclasses.replace(each, shadow_chunks=1) for each in _finished(record)]
    summary = summarise(spec, plan, shadow, {})
    assert summary["complete"] and summary["shadow_episodes"] == 14
    assert summary["final_success_rate"] is summary["base_success_rate"] is summary["gain"] is None
    assert summary["train_success_rate_last50"] is None and summary["evaluations"] == []
    mixed = [*_finished(record)[:-1], shadow[-1]]
    assert [p["episodes"] for p in summarise(spec, plan, mixed, {})["evaluations"]] == [4, 4, 3]
