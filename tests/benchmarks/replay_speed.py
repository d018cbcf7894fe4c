# SPDX-License-Identifier: Apache-2.0
"""How much faster than real time a bag with three cameras is replayed, and whether all of it arrives.

    python -m tests.benchmarks.replay_speed --seconds 20 --out runs/replay_speed

Makes a bag as Insert Bills records one: two arms, three cameras at 30 Hz, states at 60 Hz; pictures are
noise, and the base policy, of the paper's size, is untrained. Replays it as fast as possible by `zprl replay`
with its real processes, and in one process, and prints what was sent, taken and planned.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from rclpy.serialization import serialize_message
from zprl_interfaces.msg import ArmState, Proprioception, SessionState

from zprl_bringup import convert
from zprl_core.bags.definitions import ENCODING, find_definition
from zprl_core.bags.episodes import RUN_RECORD
from zprl_core.bags.rosbag2 import Topic, write_metadata
from zprl_core.bags.writer import McapFile
from zprl_core.base import new_model, save_base
from zprl_core.config import TaskConfig, load_rig, load_task
from zprl_core.replay.plans import STATS

RIG, TASK = "dual_insert_bills", "insert_bills"
BEGIN_NS, SECOND = 1_700_000_000_000_000_000, 1_000_000_000
CAMERAS_HZ, STATES_HZ = 30, 60


class _Bag:
    """Writes messages of any type."""

    def __init__(self, folder: Path, task: TaskConfig) -> None:
        folder.mkdir(parents=True)
        self._folder, self._file = folder, McapFile(folder / f"{folder.name}_0.mcap")
        run = {"lead_steps": str(task.observation.lead_steps), "lockstep": "false", "seed": "0"}
        self._file.add_metadata(RUN_RECORD, {**run, "task": task.name})
        self._file.attach("rig.yaml", yaml.safe_dump(load_rig(RIG).to_dict()).encode())
        self._channels: dict[str, int] = {}
        self.counts: dict[str, int] = {}

    def write(self, topic: str, at_ns: int, message: Any) -> None:
        if topic not in self._channels:
            kind = type(message)
            definition = find_definition(f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}")
            made = Topic(topic, definition.type_name, "", definition.hash)
            self._channels[topic] = self._file.add_topic(made, definition.text, ENCODING)
        self._file.write(self._channels[topic], bytes(serialize_message(message)), at_ns, at_ns, 0)
        self.counts[topic] = self.counts.get(topic, 0) + 1

    def finish(self) -> None:
        self._file.finish()
        label = {"episode": "0", "outcome": "success"}
        write_metadata(self._folder, self._file.path.name, self._file.contents, label, "kilted")


def make_bag(folder: Path, task: TaskConfig, seconds: float) -> dict[str, int]:
    """A bag of one episode; how many messages each topic has."""
    bag, rng = _Bag(folder, task), np.random.default_rng(0)
    events: list[tuple[int, str, Any]] = []
    for at_s, state, outcome in (
        (0.0, "resetting", ""),
        (0.5, "running", ""),
        (seconds, "labelled", "success"),
    ):
        at_ns = BEGIN_NS + round(at_s * SECOND)
        since = convert.time_message(at_ns)
        message = SessionState(header=convert.header(at_ns), state=state, outcome=outcome, since=since)
        events.append((at_ns, "/session/state", message))
    for n in range(round(seconds * CAMERAS_HZ)):
        at_ns = BEGIN_NS + n * SECOND // CAMERAS_HZ
        for view in task.observation.cameras:
            picture = rng.integers(0, 256, (view.height, view.width, 3), np.uint8)
            image = convert.image_message(picture, at_ns, f"camera_{view.name}")
            events.append((at_ns, f"/cameras/{view.name}/image", image))
    for n in range(round(seconds * STATES_HZ)):
        at_ns = BEGIN_NS + n * SECOND // STATES_HZ
        q = convert.doubles(np.zeros(task.observation.proprio_dim))
        events.append((at_ns, "/proprioception", Proprioception(header=convert.header(at_ns), q=q)))
        for arm in load_rig(RIG).arms:
            pose = convert.pose_message((0.3, 0.0, 0.3), (0.0, 1.0, 0.0, 0.0))
            state = ArmState(
                header=convert.header(at_ns), arm=arm.name, setpoint_base_tcp=pose, setpoint_width_m=0.05
            )
            events.append((at_ns, f"/arms/{arm.name}/state", state))
    for at_ns, topic, message in sorted(events, key=lambda event: event[0]):
        bag.write(topic, at_ns, message)
    bag.finish()
    return bag.counts


def make_base(path: Path, task: TaskConfig) -> None:
    """An untrained policy of the paper's size."""
    model = new_model(task, 0)
    spread = torch.tensor([[-1.0], [1.0]])
    model.policy.fit_normalizers(
        spread.expand(2, task.action.dim), spread.expand(2, task.observation.proprio_dim)
    )
    save_base(path, model, task, {})


def main() -> None:
    """Make, replay, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the bag")
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    args = parser.parse_args()
    task = load_task(TASK)
    args.out.mkdir(parents=True)
    counts = make_bag(args.out / "bag", task, args.seconds)
    base = args.out / "base.ckpt"
    make_base(base, task)
    words = ["replay", "--bag", str(args.out / "bag"), "--policy", str(base)]
    for name, more in (("graph", []), ("one process", ["--in-process"])):
        out, began = args.out / name.replace(" ", "_"), time.monotonic()
        command = [sys.executable, "-m", "zprl_core.cli", *words, *more, "--out", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        summary = json.loads((out / "summary.json").read_text())["policies"]["base"]
        wall_s = time.monotonic() - began
        p50 = summary["inference_ms"]["p50"]
        print(
            f"{name}: {summary['chunks']} chunks of a bag of {args.seconds:g} s; inference p50 {p50:.0f} ms; "
        )
        print(f"    {wall_s:.1f} s with loading and analysis")
    stats = json.loads((args.out / "graph" / "base" / STATS).read_text())
    pictures = sum(counts[f"/cameras/{view.name}/image"] for view in task.observation.cameras)
    vectors = counts["/proprioception"]
    taken = json.loads((args.out / "graph" / "base" / "stats" / "observed.json").read_text())
    pace = stats["recorded_s"] / stats["wall_s"]
    print(f"sent {stats['images']} of {pictures} pictures and {stats['vectors']} of {vectors} vectors")
    print(f"taken by the policy node: {taken}")
    print(f"{stats['chunks']} chunks in {stats['wall_s']:.2f} s: {pace:.1f} times real time")


if __name__ == "__main__":
    main()
