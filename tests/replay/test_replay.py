# SPDX-License-Identifier: Apache-2.0
"""Bags of several recorders through one policy in this process: what is planned, compared, and said."""

from __future__ import annotations

import csv
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.datasets.bags import BEGIN_NS, SECOND, Event
from tests.replay import made
from zprl_bringup.replayable import read_replayable
from zprl_core.arithmetic import use_threads
from zprl_core.base import load_base, save_base
from zprl_core.cli import main
from zprl_core.config import load_rig
from zprl_core.errors import CheckpointError, ConfigError, DataError
from zprl_core.provenance import Provenance
from zprl_core.replay.analysis import CalibrationBin
from zprl_core.replay.episodes import Account, replay_episodes
from zprl_core.replay.plans import PLANS, Planned, read_plans
from zprl_core.replay.session import Replay, Request
from zprl_core.replay.summary import PolicyResult, summarised


def planned(out: Path, bags: tuple[Path, ...], policy: Path, **more: object) -> list[Planned]:
    """Replay in this process; the plans."""
    use_threads(1)
    replay = Replay.prepare(Request(bags=bags, policies=(policy,), out=out, **more))
    replay.plan_here(replay.policies[0])
    replay.conclude()
    return read_plans(replay.folder(replay.policies[0]) / PLANS)


def same(a: Planned, b: Planned) -> bool:
    """Whether all arrays are equal, bit for bit."""
    names = ("c", "z", "dz", "z_tilde", "w", "actions")
    return all(np.array_equal(getattr(a.plan, name), getattr(b.plan, name)) for name in names)


def test_sqlite3_and_mcap_replay_to_the_same_plans(tmp_path: Path) -> None:
    """Another recorder's bag has no rig.yaml, so the rig is named; and no label."""
    mcap, policy = made.bag(tmp_path / "bag"), made.base(tmp_path / "base.ckpt")
    sqlite3 = made.as_sqlite3(mcap, tmp_path / "foreign")
    own = planned(tmp_path / "own", (mcap,), policy)
    foreign = planned(tmp_path / "out", (sqlite3,), policy, rig="sim_xarm6", seed=7)
    assert len(own) == len(foreign) == 6
    assert all(same(a, b) for a, b in zip(own, foreign, strict=True))
    (file,) = sqlite3.glob("*.db3")
    alone = planned(tmp_path / "alone", (file,), policy, rig="sim_xarm6", seed=7)
    assert all(same(a, b) for a, b in zip(own, alone, strict=True))


def test_the_seed_decides_and_is_the_recorded_run_s(tmp_path: Path) -> None:
    bag, policy = made.bag(tmp_path / "bag"), made.base(tmp_path / "base.ckpt")
    first, again = (planned(tmp_path / name, (bag,), policy) for name in ("a", "b"))
    other = planned(tmp_path / "c", (bag,), policy, seed=8)
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert not any(same(a, b) for a, b in zip(first, other, strict=True))
    assert all(np.array_equal(a.plan.c, b.plan.c) for a, b in zip(first, other, strict=True))


def test_executed_is_where_the_arm_was_told_to_be(tmp_path: Path) -> None:
    """The made-up setpoints of `tests.datasets.bags`: errors are distances to them, by hand for one chunk."""
    bag, policy = made.bag(tmp_path / "bag"), made.base(tmp_path / "base.ckpt")
    replay = Replay.prepare(Request(bags=(bag,), policies=(policy,), out=tmp_path / "out"))
    ((_, (episode,)),) = list(replay.bags.read())
    replay.plan_here(replay.policies[0])
    replay.conclude()
    rows = list(csv.DictReader((tmp_path / "out" / "chunks.csv").open()))
    plans = read_plans(replay.folder(replay.policies[0]) / PLANS)
    for row, plan, moment in zip(rows, plans, episode.moments, strict=True):
        away = np.linalg.norm(plan.plan.actions[:, :3] - moment.executed[:, :3], axis=1)
        assert float(row["error.position_m"]) == pytest.approx(away.mean())
        assert float(row["error.position_max_m"]) == pytest.approx(away.max())
        assert row["value"] and row["outcome"] == "success"
    # One success: gamma ** (chunks that were still to come).
    gamma = made.task().rl.gamma
    assert [float(row["value"]) for row in rows] == pytest.approx([gamma ** (5 - n) for n in range(6)])


def test_two_policies_are_compared_chunk_by_chunk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = made.bag(tmp_path / "bag")
    a, b = (made.base(tmp_path / f"{name}.ckpt", seed=seed) for name, seed in (("a", 0), ("b", 1)))
    words = ["replay", "--bag", str(bag), "--policy", str(a), "--policy", str(b), "--in-process"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert "a beside b" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "out" / "differences.csv").open()))
    assert len(rows) == 6 and all(float(row["error.position_m"]) > 0.0 for row in rows)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["seed"] == 7 and summary["comparisons"][0]["chunks"] == 6
    assert (tmp_path / "out" / "replay.png").stat().st_size > 10_000


def test_two_episodes_in_one_bag(tmp_path: Path) -> None:
    twice = (
        Event(0.0, "resetting"),
        Event(0.5, "running"),
        Event(1.5, "labelled", outcome="success"),
        Event(2.0, "running", episode=1),
        Event(3.2, "labelled", episode=1, outcome="failure"),
    )
    bag, policy = made.bag(tmp_path / "bag", events=twice), made.base(tmp_path / "base.ckpt")
    found = planned(tmp_path / "out", (bag,), policy)
    # 0.233 s until the first tick and 0.067 s of lead leave room for 2 and 3 chunks of 0.267 s.
    places = [(plan.episode, plan.chunk) for plan in found]
    assert places == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]


def test_a_hole_in_a_stream_leaves_out_its_chunks_and_says_so(tmp_path: Path) -> None:
    """No picture from 1.6 to 2.2 s: chunks whose snapshot is too old are left out, others planned."""

    def hole(topic: str, stamp_ns: int, message: object) -> object:
        inside = 1.6 < (stamp_ns - 1_700_000_000 * 10**9) * 1e-9 < 2.2
        return None if topic.endswith("/image") and inside else message

    bag, policy = made.bag(tmp_path / "bag", change=hole), made.base(tmp_path / "base.ckpt")
    found = planned(tmp_path / "out", (bag,), policy)
    notes = json.loads((tmp_path / "out" / "summary.json").read_text())["notes"]
    missing = [note for note in notes if "third_view: newest sample" in note]
    assert missing and len(found) + len(missing) == 6
    whole = {plan.chunk: plan for plan in planned(tmp_path / "all", (made.bag(tmp_path / "whole"),), policy)}
    after = [plan for plan in found if plan.chunk == 5]
    assert after and np.array_equal(after[0].plan.w, whole[5].plan.w)  # draws go by the chunk's number


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"label": {"episode": "0", "outcome": "success", "task": "flip_egg"}}, "recorded for task flip_egg"),
        ({"size": (10, 12)}, "pictures of 10x12, the policy needs 20x24"),
        (
            {"change": lambda topic, _s, m: None if topic.endswith("/image") else m},
            "has no /cameras/third_view",
        ),
        (
            {"events": (Event(0.0, "resetting"), Event(1.0, "running"), Event(1.1, "labelled"))},
            "no chunk is to",
        ),
    ],
)
def test_what_cannot_be_replayed_is_named(tmp_path: Path, change: dict[str, object], says: str) -> None:
    bag, policy = made.bag(tmp_path / "bag", **change), made.base(tmp_path / "base.ckpt")
    with pytest.raises(DataError, match=says):
        Replay.prepare(Request(bags=(bag,), policies=(policy,), out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_bad_bag_among_good_ones(tmp_path: Path) -> None:
    policy, good = made.base(tmp_path / "base.ckpt"), made.bag(tmp_path / "good")
    bad = tmp_path / "bad"
    shutil.copytree(made.bag(tmp_path / "copy"), bad)
    next(bad.glob("*.mcap")).write_bytes(b"garbage")
    request = Request(bags=(good, bad), policies=(policy,), out=tmp_path / "out")
    with pytest.raises(DataError, match="1 of 2 bags cannot be replayed"):
        Replay.prepare(request)
    assert len(planned(tmp_path / "skipped", (good, bad), policy, skip_bad=True)) == 6


def test_foreign_bags_need_their_rig(tmp_path: Path) -> None:
    sqlite3 = made.as_sqlite3(made.bag(tmp_path / "bag"), tmp_path / "foreign")
    policy = made.base(tmp_path / "base.ckpt")
    with pytest.raises(DataError, match="name it with --rig"):
        Replay.prepare(Request(bags=(sqlite3,), policies=(policy,), out=tmp_path / "out"))


def test_policies_that_cannot_be_replayed_are_named(tmp_path: Path) -> None:
    bag, policy = made.bag(tmp_path / "bag"), made.base(tmp_path / "base.ckpt")

    def refused(kind: type[Exception], says: str, **more: object) -> None:
        with pytest.raises(kind, match=says):
            Replay.prepare(
                Request(**{"bags": (bag,), "policies": (policy,), "out": tmp_path / "out", **more})
            )

    refused(CheckpointError, "no such checkpoint", policies=(tmp_path / "none.ckpt",))
    refused(ConfigError, "a base policy has no actor", mode="steer")
    refused(ConfigError, "is no run", checkpoint=100)
    refused(DataError, "is not a run folder", policies=(tmp_path,))
    other = replace(made.task(), action=replace(made.task().action, chunk=16))
    refused(CheckpointError, "action", policies=(policy, made.base(tmp_path / "other.ckpt", other)))


def test_a_normaliser_that_disagrees_is_noted(tmp_path: Path) -> None:
    """The bag's vectors go up to 180; the policy was fitted to vectors within 0.1 of zero."""
    import torch

    policy = made.base(tmp_path / "base.ckpt")
    model, task, _ = load_base(policy)
    model.policy.fit_normalizers(
        torch.tensor([[-0.1] * task.action.dim, [0.1] * task.action.dim]),
        torch.tensor([[-0.1] * task.observation.proprio_dim, [0.1] * task.observation.proprio_dim]),
    )
    narrow = tmp_path / "narrow.ckpt"
    save_base(narrow, model, task, {})
    planned(tmp_path / "out", (made.bag(tmp_path / "bag"),), narrow)
    notes = json.loads((tmp_path / "out" / "summary.json").read_text())["notes"]
    assert any("proprioception: numbers 0 (" in note and "errors and Q say little" in note for note in notes)


def test_what_is_not_known_of_a_critic_is_null_and_not_nan() -> None:
    """The value of one episode has no standard error."""
    one = CalibrationBin(low=0.1, high=0.2, chunks=3, episodes=1, q=0.15, value=0.9, error=math.nan)
    found = summarised([PolicyResult("run", [], [], [one])], [])
    assert json.loads(json.dumps(found, allow_nan=False))["policies"]["run"]["calibration"][0] == {
        "low": 0.1, "high": 0.2, "chunks": 3, "episodes": 1, "q": 0.15, "value": 0.9, "error": None,
    }  # fmt: skip


def with_delay(seconds: float) -> dict[str, object]:
    """The rig with another delay of its camera."""
    rig = load_rig("sim_xarm6").to_dict()
    for camera in rig["cameras"] if isinstance(rig["cameras"], list) else rig["cameras"].values():
        camera["delay_s"] = seconds
    return rig


def test_bags_of_two_calibrations_are_not_mixed(tmp_path: Path) -> None:
    """The policy node would take both with the delays of the first."""
    policy, first = made.base(tmp_path / "base.ckpt"), made.bag(tmp_path / "first")
    second = made.bag(tmp_path / "second", rig=with_delay(0.01))
    request = Request(bags=(first, second), policies=(policy,), out=tmp_path / "out")
    with pytest.raises(DataError, match="1 of 2 bags cannot be replayed"):
        Replay.prepare(request)
    assert not (tmp_path / "out").exists()
    assert len(planned(tmp_path / "skipped", (first, second), policy, skip_bad=True)) == 6


def test_a_number_that_is_none_makes_a_bad_bag(tmp_path: Path) -> None:
    def spoilt(topic: str, _stamp: int, message: Any) -> Any:
        if topic == "/proprioception":
            message.q[0] = math.nan
        return message

    policy, good = made.base(tmp_path / "base.ckpt"), made.bag(tmp_path / "good")
    bad = made.bag(tmp_path / "bad", change=spoilt)
    with pytest.raises(DataError, match="bad: numbers: stream proprioception"):
        Replay.prepare(Request(bags=(good, bad), policies=(policy,), out=tmp_path / "out"))
    assert len(planned(tmp_path / "skipped", (good, bad), policy, skip_bad=True)) == 6


def test_what_follows_an_ending_is_compared_with_nothing(tmp_path: Path) -> None:
    """The label of the record says 4 chunks; the regular ones go on to 6."""
    label = {"episode": "0", "outcome": "success", "chunks": "4"}
    policy = made.base(tmp_path / "base.ckpt")
    planned(tmp_path / "out", (made.bag(tmp_path / "bag", label=label),), policy)
    rows = list(csv.DictReader((tmp_path / "out" / "chunks.csv").open()))
    gamma = made.task().rl.gamma
    assert [float(row["value"]) for row in rows[:4]] == pytest.approx([gamma**n for n in (3, 2, 1, 0)])
    assert [row["value"] for row in rows[4:]] == ["", ""]


def test_start_and_rate_are_the_player_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag, policy = made.bag(tmp_path / "bag"), made.base(tmp_path / "base.ckpt")
    words = ["replay", "--bag", str(bag), "--policy", str(policy), "--out", str(tmp_path / "out")]
    assert main([*words, "--in-process", "--start", "1"]) == 2
    assert "--start and --rate are the player's" in capsys.readouterr().err


def test_a_chunk_that_an_ending_cut_short_is_compared_with_nothing(tmp_path: Path) -> None:
    """It was running from 1 to 3 s; afterwards the setpoints are of the way home."""
    task = made.task()
    found = read_replayable(made.bag(tmp_path / "bag"), task)
    starts = {(0, 0): BEGIN_NS + 2 * SECOND, (0, 1): BEGIN_NS + round(2.9 * SECOND)}
    (episode,) = replay_episodes(found.recording, task, Account(starts_ns=starts), lockstep=False)
    whole, cut = episode.moments
    assert whole.executed is not None and whole.executed.shape == (task.action.chunk, task.action.dim)
    assert cut.executed is None


def test_a_camera_that_was_calibrated_anew_is_refused_before_anything_is_planned(tmp_path: Path) -> None:
    """The demonstrations were seen 50 ms late, the bag is not: more than half a tick of 1/30 s."""
    policy = made.base(tmp_path / "base.ckpt")
    model, task, _ = load_base(policy)
    before = replace(load_rig("sim_xarm6"), cameras=tuple(
        replace(camera, delay_s=0.05) for camera in load_rig("sim_xarm6").cameras
    ))  # fmt: skip
    old = tmp_path / "old.ckpt"
    save_base(old, model, task, {}, Provenance.of(before, task, lockstep=False))
    with pytest.raises(DataError, match=r"rig: .*old"):
        Replay.prepare(Request(bags=(made.bag(tmp_path / "bag"),), policies=(old,), out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
