# SPDX-License-Identifier: Apache-2.0
"""Episodes and run folders made by hand, as fixtures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from zprl_core.config import load_rig, load_task
from zprl_core.records import EpisodeRecord, Outcome
from zprl_core.run_folder import RunFolder, RunSpec

SPEC = RunSpec(
    run_id="20260101-000000-00000000",
    mode="train",
    task="place_orange_demo",
    rig="sim_xarm6",
    base="/nowhere/base.ckpt",
    actor="",
    seed=3,
    lockstep=True,
    chunks=20,
    eval_episodes=4,
)


def _record(episode: int, block: str, outcome: Outcome, chunks: int = 5) -> EpisodeRecord:
    mode = {"train": "explore", "base_c": "base_c", "base_z": "base_z"}.get(block, "steer")
    return EpisodeRecord(
        episode=episode,
        block=block,
        mode=mode,
        layout_seed=1000 + episode,
        outcome=outcome,
        steps=16 * chunks,
        chunks=chunks,
        start_stamp_ns=episode * 10**9,
        end_stamp_ns=episode * 10**9 + 5 * 10**8,
        label_author="judge",
    )


def _new_folder(path: Path, **changes: object) -> RunFolder:
    spec = dataclasses.replace(SPEC, **changes)  # type: ignore[arg-type]
    return RunFolder.create(path, spec, load_task("place_orange_demo"), load_rig("sim_xarm6"))


@pytest.fixture
def record() -> Callable[..., EpisodeRecord]:
    return _record


@pytest.fixture
def new_folder() -> Callable[..., RunFolder]:
    return _new_folder


@pytest.fixture
def spec() -> RunSpec:
    return SPEC
