# SPDX-License-Identifier: Apache-2.0
"""A session in real time, its bags, and their dataset: what was seen and done is what is learned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from rclpy.serialization import deserialize_message
from zprl_interfaces.msg import ActionChunk, ChunkReport, EpisodeMotion, SteeringStatus

from tests.ros import training
from zprl_bringup import convert
from zprl_bringup.recorded import read_recording
from zprl_bringup.recorded_motion import read_motion
from zprl_core.arithmetic import use_threads
from zprl_core.base import load_base
from zprl_core.config import TaskConfig, load_task
from zprl_core.data.dataset import load_dataset
from zprl_core.data.reading import open_dataset
from zprl_core.data.recording import Recording
from zprl_core.data.resampling import filled
from zprl_core.grid import TickGrid
from zprl_core.noise import digest
from zprl_core.records import read_records
from zprl_core.runtime import PolicyRuntime
from zprl_core.smoothness.episode import measured_motion, read_run

LEAD_STEPS, DELAY_S, MAX_AGE_S = 15, 0.4, 1.0
"""Patient, as the machine does other things too: a sample is there when its delay is over, as a rule."""
MOTION = "/arms/arm/motion"
ARRIVED_NS, STATES_NS = 50_000_000, 34_000_000
"""The policy node has what the recorder had this long before; and two periods of the arm's states."""


@dataclass(frozen=True)
class Recorded:
    run: Path
    base: Path
    task: TaskConfig
    data: Path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Two episodes in real time and the dataset of them, both as a user makes them."""
    folder = tmp_path_factory.mktemp("session")
    tiny: dict[str, Any] = training.TINY
    observation = {**tiny["observation"], "lead_steps": LEAD_STEPS, "max_age_s": MAX_AGE_S}
    task_file = folder / "tiny.yaml"
    task_file.write_text(yaml.safe_dump({**tiny, "horizon_steps": 96, "observation": observation}))
    rig = {"extends": "sim_xarm6", "name": "late", "cameras": {"third_view": {"delay_s": DELAY_S}}}
    (folder / "late.yaml").write_text(yaml.safe_dump({**rig, "proprioception_delay_s": DELAY_S}))
    base, run, data = training.tiny_base(folder, task_file), folder / "run", folder / "data"
    words = ["--rig", str(folder / "late.yaml"), "--task", str(task_file), "--policy", str(base)]
    done = training.zprl("evaluate", *words, "--out", str(run), "--realtime", "--record", "--episodes", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    done = training.zprl("dataset", "build", str(run / "bags"), "--task", str(task_file), "--out", str(data))
    assert done.returncode == 0, done.stdout + done.stderr
    return Recorded(run, base, load_task(str(task_file)), data)


def messages(bag: Path, topic: str, kind: Any) -> Iterator[Any]:
    """The messages of a topic."""
    with next(bag.glob("*.mcap")).open("rb") as file:
        for _, _, message in make_reader(file).iter_messages(topics=[topic]):
            yield deserialize_message(message.data, kind)


def bags(recorded: Recorded) -> list[tuple[int, Path]]:
    found = [(r.episode, r.outcome) for r in read_records(recorded.run / "episodes.jsonl")]
    named = recorded.run / "bags"
    return [(episode, named / f"episode_{episode:06d}") for episode, outcome in found if outcome != "void"]


def starts(recorded: Recorded, episode: int, bag: Path) -> dict[int, int]:
    """When each chunk begins, of those that were planned in time: a stall moves the beginning."""
    stalls = [m.stalls for m in messages(bag, "/policy/status", SteeringStatus) if not m.held]
    late = {chunk for chunk in range(1, len(stalls)) if stalls[chunk] != stalls[chunk - 1]}
    chunks = [m for m in messages(bag, "/arms/arm/command", ActionChunk) if m.episode == episode]
    return {m.chunk: convert.stamp_ns(m) for m in chunks if m.chunk not in {0, *late}}


def in_time(recording: Recording, at_ns: int) -> bool:
    """Whether all that a snapshot may look at had come when it was taken; else nothing is promised."""
    seen_ns = at_ns - round(DELAY_S * 1e9)
    streams = (*recording.cameras.values(), recording.proprioception)
    return not any(((s.stamp_ns <= seen_ns) & (s.log_ns > at_ns - ARRIVED_NS)).any() for s in streams)


def test_snapshots_of_a_bag_are_those_of_the_policy_node_to_the_bit(recorded: Recorded) -> None:
    """chunks.log has a hash of c, which the base policy computes from the snapshot and nothing else."""
    use_threads(1)
    model, _, _ = load_base(recorded.base, recorded.task)
    runtime, grid = PolicyRuntime(model, recorded.task, 0.0), TickGrid(recorded.task.rate_hz)
    lines = [json.loads(line) for line in (recorded.run / "chunks.log").read_text().splitlines()]
    live = {(line["episode"], line["chunk"]): line["c"] for line in lines}
    compared = 0
    stored = open_dataset(recorded.data)
    for (episode, bag), built in zip(bags(recorded), stored, strict=True):
        recording = read_recording(bag, recorded.task)
        policy = filled(recording, recorded.task)
        for chunk, start_ns in starts(recorded, episode, bag).items():
            at_ns = grid.at(grid.index(start_ns) - LEAD_STEPS)
            if not in_time(recording, at_ns):
                continue
            seen = policy.snapshot(at_ns)
            images = {name: np.stack(frames) for name, frames in seen.images.items()}
            assert digest(runtime.encode(images, seen.proprioception)) == live[episode, chunk], chunk
            (tick,) = np.flatnonzero(built.stamp_ns == at_ns)
            in_dataset = {name: frames[tick][None].copy() for name, frames in built.images.items()}
            c = runtime.encode(in_dataset, built.proprio[tick][None].copy())
            assert digest(c) == live[episode, chunk], chunk
            compared += 1
    assert compared >= 4
    assert len(set(live.values())) >= 5  # a policy that sees nothing would pass otherwise
    frames = json.loads((recorded.run / "stats" / "policy_node.json").read_text())["frames"]
    assert frames["all"] >= frames["early"] >= 0.5 * frames["all"] > 0, "the delay leaves time to encode them"


def test_actions_are_what_the_bridge_says_that_it_executed(recorded: Recorded) -> None:
    compared = 0
    for (episode, bag), built in zip(bags(recorded), open_dataset(recorded.data), strict=True):
        begun = starts(recorded, episode, bag)
        states = read_recording(bag, recorded.task).setpoints["arm"].stamp_ns
        for report in messages(bag, "/arms/arm/report", ChunkReport):
            if report.episode != episode or report.chunk not in begun or report.status != report.EXECUTED:
                continue
            first_ns, last_ns = begun[report.chunk], begun[report.chunk] + 16 * 34_000_000
            between = states[(states >= first_ns - STATES_NS) & (states <= last_ns)]
            if np.diff(between).max() > STATES_NS:  # what was sent while no state was published is not known
                continue
            executed = np.array(report.executed).reshape(-1, report.dim)
            first = int(np.searchsorted(built.stamp_ns, begun[report.chunk]))
            np.testing.assert_allclose(built.action[first : first + len(executed)], executed, atol=2e-6)
            compared += 1
    assert compared >= 3


def test_the_motion_in_a_bag_is_what_the_bridge_measured(recorded: Recorded) -> None:
    """A bridge keeps the samples that it publishes. It hears of an episode's end some ms after the session
    decided it, and a busy recorder may lose a state. What it says of that may come after the next reset, and
    stands in that bag.
    """
    live = {motion.episode: motion for motion in read_run(recorded.run / "motion")}
    told = {m.episode: m for _, bag in bags(recorded) for m in messages(bag, MOTION, EpisodeMotion)}
    for episode, bag in bags(recorded):
        found = read_motion(bag)
        (tracks,) = found.episodes
        offline, online = measured_motion(tracks, found.task.smoothness), live[episode]
        assert told[episode].policy_steps == online.policy.steps
        assert online.commanded.speed == pytest.approx(list(told[episode].commanded.speed_m_s))
        assert abs(offline.policy.steps - online.policy.steps) <= 1
        assert offline.policy.velocity_m_s == pytest.approx(online.policy.velocity_m_s, rel=0.02)
        for motion in ("commanded", "measured"):
            a, b = getattr(offline, motion), getattr(online, motion)
            assert b.reason == a.reason == "" and b.samples > 60, motion
            assert a.samples == pytest.approx(b.samples, abs=0.05 * b.samples + 4), motion
            for quantity in ("speed", "acceleration", "jerk"):
                assert a.spread(quantity)[:2] == pytest.approx(b.spread(quantity)[:2], rel=0.05, abs=1e-3)
            assert a.sparc == pytest.approx(b.sparc, rel=0.05)


def test_the_smoothness_of_the_run_and_of_its_bags(recorded: Recorded, tmp_path: Path) -> None:
    named = [str(bag) for _, bag in bags(recorded)]
    for words, out in (([str(recorded.run)], "run"), (named, "bags")):
        done = training.zprl("smoothness", *words, "--out", str(tmp_path / out))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Vel_EE, m/s" in done.stdout
    of_run, of_bags = (
        json.loads((tmp_path / out / "smoothness.json").read_text()) for out in ("run", "bags")
    )
    assert [g["block"] for g in of_run["groups"]] == [g["block"] for g in of_bags["groups"]]
    for a, b in zip(of_run["groups"], of_bags["groups"], strict=True):
        assert a["means"]["measured_speed"]["value"] == pytest.approx(
            b["means"]["measured_speed"]["value"], rel=0.05, abs=1e-3
        )


def test_it_can_be_trained_on_and_says_where_it_comes_from(recorded: Recorded) -> None:
    data = load_dataset(recorded.data, recorded.task)
    assert data.episodes == len(bags(recorded))
    assert data.provenance is not None and data.provenance.rig == "late"
    delays = {delay.name: delay.delay_s for delay in data.provenance.delays}
    assert delays == {"camera third_view": DELAY_S, "proprioception": DELAY_S}
