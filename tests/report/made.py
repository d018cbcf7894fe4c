# SPDX-License-Identifier: Apache-2.0
"""Runs for reports: small run folders as the session leaves them, made up by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from zprl_core.config import TaskConfig, load_rig, load_task
from zprl_core.plan import Block, write_plan
from zprl_core.records import EpisodeRecord, append_record
from zprl_core.report.runs import ReportRun, read_runs
from zprl_core.run_folder import RunFolder, RunSpec, write_json
from zprl_core.smoothness import Smoothness, Spread
from zprl_core.smoothness.episode import MotionRecord, append_motion
from zprl_core.smoothness.policy_steps import PolicySteps

MODES = {"base_c": "base_c", "base_z": "base_z", "train": "explore"}


def task(**rl: Any) -> TaskConfig:
    """The demo's task with other settings of learning."""
    demo = load_task("place_orange_demo")
    return replace(demo, rl=replace(demo.rl, **rl))


def episodes(block: str, outcomes: str, first: int = 0, **more: Any) -> list[EpisodeRecord]:
    """An episode for each letter: s(uccess), f(ailure), h(orizon), v(oid); layouts 0, 1, ..., 100 steps."""
    words = {"s": "success", "f": "failure", "h": "horizon", "v": "void"}
    given: dict[str, Any] = {"mode": MODES.get(block, "steer"), "steps": 100, "chunks": 7, **more}
    return [
        EpisodeRecord(
            **{
                "episode": first + number,
                "block": block,
                "layout_seed": number,
                "outcome": words[letter],
                "start_stamp_ns": 0,
                "end_stamp_ns": 4_000_000_000,
                "label_author": "judge",
                **given,
            }
        )
        for number, letter in enumerate(outcomes)
    ]


def numbered(*parts: Iterable[EpisodeRecord]) -> list[EpisodeRecord]:
    """Stretches of episodes, one after the other."""
    every = [record for part in parts for record in part]
    return [replace(record, episode=number) for number, record in enumerate(every)]


def folder(
    path: Path,
    records: Sequence[EpisodeRecord],
    of: TaskConfig | None = None,
    blocks: Sequence[Block] = (),
    **spec: Any,
) -> Path:
    """A run folder; without blocks its plan is done."""
    of = of or task()
    told = RunSpec(
        **{
            "run_id": str(path),
            "mode": "train",
            "task": of.name,
            "rig": "sim_xarm6",
            "base": str(path.parent / "base.ckpt"),
            "actor": "",
            "seed": 0,
            "lockstep": True,
            "chunks": 100,
            "eval_episodes": 10,
            **spec,
        }
    )
    run = RunFolder.create(path, told, of, load_rig(told.rig))
    write_plan(run.plan_file, blocks)
    # All but the last in one go: append_record waits for the disk.
    run.episodes_file.write_text("".join(record.to_line() for record in records[:-1]))
    for record in records[-1:]:
        append_record(run.episodes_file, record)
    return path


def read(*paths: Path) -> list[ReportRun]:
    """As the command does."""
    return read_runs(list(paths))


def chunks(path: Path, lines: Sequence[tuple[int, int, float | None]], tail: str = "") -> None:
    """RUN/chunks.log: (episode, chunk, RMS ratio); the other two values are twice and three times as much."""
    text = "".join(
        json.dumps(
            {
                "episode": episode,
                "chunk": chunk,
                "rms_ratio": value,
                "mahalanobis": None if value is None else 2.0 * value,
                "displacement": None if value is None else 3.0 * value,
            }
        )
        + "\n"
        for episode, chunk, value in lines
    )
    RunFolder.open(path).chunks_file.write_text(text + tail)


def motion(path: Path, records: Iterable[EpisodeRecord], velocity: float, arm: str = "arm") -> None:
    """RUN/motion: every episode moved at this speed."""
    spread = Spread(velocity, velocity, velocity)
    known = Smoothness(1.0, 60, spread, spread, spread, spread, spread, spread, sparc=-2.0)
    for record in records:
        steps = PolicySteps(100, velocity, 20.0 * velocity)
        made = MotionRecord(record.episode, arm, record.outcome, steps, known, known)
        append_motion(RunFolder.open(path).motion / f"{arm}.jsonl", made)


def versions(path: Path, commit: str) -> None:
    """What it was computed with."""
    write_json(RunFolder.open(path).versions_file, {"starts": [{"commit": commit, "packages": {}}]})
