"""`zprl train --record` as a user starts it; its recorder killed; its disk full."""

from __future__ import annotations

import dataclasses
import os
import resource
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader

from tests.ros import training
from zprl_bringup.recorded_motion import read_motion
from zprl_core.bags.episodes import GIB
from zprl_core.bags.reading import describe
from zprl_core.bags.rosbag2 import read_metadata
from zprl_core.config import load_rig
from zprl_core.records import EpisodeRecord, read_records
from zprl_core.smoothness.episode import measured_motion, read_run

RECORDER = "zprl_recorder.recorder_node"
PUBLISHED = {
    "/arms/arm/command",
    "/arms/arm/motion",
    "/arms/arm/report",
    "/arms/arm/state",
    "/cameras/third_view/image",
    "/learner/actor",
    "/learner/status",
    "/policy/plan",
    "/policy/status",
    "/proprioception",
    "/rig/observe",
    "/session/state",
    "/sim/state",
}
OF_AN_EPISODE = ("/arms/arm/command", "/arms/arm/report", "/arms/arm/motion", "/policy/status")
SLACK_BYTES = GIB // 4


@pytest.fixture(scope="module")
def recorded(tiny: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three blocks that nothing disturbed."""
    run = tmp_path_factory.mktemp("runs") / "recorded"
    task, base = tiny
    words = ["--rig", "sim_xarm6", "--task", task, "--base", base, "--out", str(run), "--record"]
    done = training.zprl("train", *words, "--chunks", "6", "--eval-episodes", "1", "--seed", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    return run


def records(run: Path) -> tuple[EpisodeRecord, ...]:
    return read_records(run / "episodes.jsonl")


def bag(run: Path, episode: int) -> Path:
    return run / "bags" / f"episode_{episode:06d}"


def session_states(folder: Path) -> list[Any]:
    """What a bag heard of the session, in the order in which it was sent."""
    with AnyReader([folder]) as reader:
        topic = [c for c in reader.connections if c.topic == "/session/state"]
        return [reader.deserialize(data, c.msgtype) for c, _, data in reader.messages(topic)]


def test_every_episode_has_its_bag_whose_label_is_that_of_the_record(recorded: Path) -> None:
    found = records(recorded)
    assert len(found) >= 4
    assert len(list((recorded / "bags").iterdir())) == len(found)
    for record in found:
        said = read_metadata(bag(recorded, record.episode))["custom_data"]
        wanted = {key: str(value) for key, value in dataclasses.asdict(record).items()}
        assert wanted.items() <= said.items()
        assert said["lost"] == ""


def test_a_bag_has_every_chunk_of_its_episode_and_what_became_of_it(recorded: Path) -> None:
    for record in records(recorded):
        with AnyReader([bag(recorded, record.episode)]) as reader:  # which compares the types' hashes
            seen = Counter[str]()
            for connection, _, data in reader.messages():
                message: Any = reader.deserialize(data, connection.msgtype)
                seen[connection.topic] += 1
                if connection.topic in OF_AN_EPISODE:
                    assert message.episode == record.episode
        for topic in ("/arms/arm/command", "/arms/arm/report", "/policy/status"):
            assert seen[topic] == record.chunks, (record.episode, topic)
        assert seen["/arms/arm/motion"] == 1
        assert seen["/cameras/third_view/image"] > record.chunks
        assert seen["/session/state"] >= 5


def test_a_lockstep_bag_gives_what_the_policy_put_out_and_says_what_it_cannot(recorded: Path) -> None:
    live = {motion.episode: motion for motion in read_run(recorded / "motion")}
    assert sorted(live) == [record.episode for record in records(recorded)]
    for record in records(recorded):
        found = read_motion(bag(recorded, record.episode))
        (tracks,) = found.episodes
        motion = measured_motion(tracks, found.task.smoothness)
        assert motion.policy == live[record.episode].policy and motion.policy.steps == 16 * record.chunks
        assert motion.outcome == live[record.episode].outcome == record.outcome
        assert motion.measured.speed is None and "needed are" in motion.measured.reason
        assert live[record.episode].measured.speed is not None
    out = recorded.parent / "smoothness"
    done = training.zprl("smoothness", str(recorded), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "Ratio to the base policy (base_c)" in done.stdout
    assert "Vel_EE and Acc_EE over training, arm arm" in done.stdout


def test_a_training_episode_has_all_topics_and_begins_with_the_actor(recorded: Path) -> None:
    episode = next(record.episode for record in records(recorded) if record.block == "train")
    with Reader(bag(recorded, episode)) as reader:
        assert {connection.topic for connection in reader.connections} == PUBLISHED
        first = next(c.topic for c, _, _ in reader.messages())
        assert first == "/learner/actor"
        connections: list[Any] = reader.connections
        offered = {c.topic: c.ext.offered_qos_profiles for c in connections}
    assert {len(profiles) for profiles in offered.values()} == {1}
    assert offered["/learner/actor"][0].durability.name == "TRANSIENT_LOCAL"
    assert offered["/policy/status"][0].durability.name == "VOLATILE"


def test_the_rig_in_a_bag_is_the_run_s(recorded: Path, tmp_path: Path) -> None:
    with (bag(recorded, 0) / "episode_000000_0.mcap").open("rb") as file:
        attached = {a.name: a.data for a in make_reader(file).iter_attachments()}
    (tmp_path / "rig.yaml").write_bytes(attached["rig.yaml"])
    assert load_rig(tmp_path / "rig.yaml") == load_rig(recorded / "config" / "rig.yaml")


def running(tiny: tuple[str, str], run: Path, bags: int, rig: str = "sim_xarm6") -> subprocess.Popen[str]:
    """An evaluation without end, once it has finished so many bags and begun the next one."""
    task, base = tiny
    words = ["--rig", rig, "--task", task, "--policy", base, "--out", str(run), "--record"]
    process = training.start("evaluate", *words, "--only", "base", "--episodes", "100000")
    deadline = time.monotonic() + 90.0
    while not (run / "bags" / f"episode_{bags:06d}").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{run}: {bags} bags did not come"
        time.sleep(0.005)
    return process


def recover(path: Path) -> str:
    done = training.zprl("bag", "recover", str(path))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_killed_recorder_leaves_whole_bags_and_one_that_can_be_recovered(
    tiny: tuple[str, str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = running(tiny, run, 3)
    os.kill(training.node_pid(run, RECORDER), signal.SIGKILL)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "recorder_node was killed by SIGKILL" in said
    paths = sorted((run / "bags").glob("episode_*"))
    unfinished = [path for path in paths if not (path / "metadata.yaml").exists()]
    assert len(unfinished) <= 1 and len(paths) > 3
    for path in unfinished:
        recover(path)
    for path in paths:
        with Reader(path) as reader:
            both = [data for _, _, data in reader.messages()]
        with next(path.glob("*.mcap")).open("rb") as file:
            assert [m.data for _, _, m in make_reader(file, validate_crcs=True).iter_messages()] == both
    assert describe(paths[0]).damage.finished


def test_a_write_that_fails_ends_episode_and_run_with_a_reason(tiny: tuple[str, str], tmp_path: Path) -> None:
    """A limit on the recorder's files: the kernel refuses the same call as on a full disk. An episode takes
    longer than the recorder needs to notice and to have the session stop.
    """
    run, task = tmp_path / "run", tmp_path / "longer.yaml"
    task.write_text(yaml.safe_dump({**training.TINY, "horizon_steps": 480}))
    process = running((str(task), tiny[1]), run, 2)
    resource.prlimit(training.node_pid(run, RECORDER), resource.RLIMIT_FSIZE, (30_000, 30_000))
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "cannot be written: File too large. The session is stopped; the bags before it are whole" in said
    last = records(run)[-1]
    assert (last.outcome, last.reason) == ("void", "stopped by the recorder (File too large)")
    paths = sorted((run / "bags").iterdir())
    for path in paths[:-1]:
        with Reader(path) as reader:
            assert reader.message_count == len(list(reader.messages())) > 10
    cut = int(paths[-1].name.removeprefix("episode_"))
    assert last.episode - cut in (0, 1)  # it may have failed to finish the bag while the next episode began
    assert not (paths[-1] / "metadata.yaml").exists()
    assert "messages restored" in recover(paths[-1])
    assert read_metadata(paths[-1])["custom_data"]["outcome"] == records(run)[cut].outcome


def test_a_disk_that_fills_up_ends_the_run_with_whole_bags(tiny: tuple[str, str], tmp_path: Path) -> None:
    """A rig that keeps just less room than there is; a file takes it away."""
    free = shutil.disk_usage(tmp_path).free
    rig = tmp_path / "rig.yaml"
    reserve_gib = (free - SLACK_BYTES) / GIB
    rig.write_text(
        f"extends: sim_xarm6\nname: full\nrecording:\n  flush_s: 0.02\n  reserve_gib: {reserve_gib}\n"
    )
    run = tmp_path / "run"
    process = running(tiny, run, 2, rig=str(rig))
    with (tmp_path / "other").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 2 * SLACK_BYTES)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "GiB are kept for checkpoints and records (recording.reserve_gib). The session is stopped" in said
    *_, before, last = session_states(sorted((run / "bags").iterdir())[-1])
    assert last.state == "stopped" and last.reason.startswith("stopped by the recorder (")
    void = [record for record in records(run) if record.outcome == "void"]
    if before.state == "running":  # else the stop fell between two episodes
        assert [(record.episode, record.reason) for record in void] == [(last.episode, last.reason)]
    else:
        assert void == []
    for record in records(run):
        assert describe(bag(run, record.episode)).damage.finished
        assert read_metadata(bag(run, record.episode))["custom_data"]["outcome"] == record.outcome
