"""What the recorder costs and loses: three cameras and two arms, in processes of their own, over DDS.

    python -m tests.benchmarks.recorder --seconds 60
    python -m tests.benchmarks.recorder --seconds 20 --images jpeg

Cameras publish 640x480 rgb8 at 30 Hz, arms ArmState at 100 Hz; the first episode is recorded undisturbed.
In the second another recorder is killed with SIGKILL in the middle, its bag recovered, and the newest message
of each topic compared with the moment of the kill. Then 10 s of the first bag are written from memory, in
turns, by this library's McapFile (flushed every 0.25 s of the recording), by `mcap` and by `rosbags` as they
come: what the writers alone cost. What a kill leaves of a file that was not finished is measured with the
arms' messages alone, as no pictures fill the chunks then.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from mcap.reader import make_reader
from mcap.records import Message as McapMessage
from mcap.writer import CompressionType, Writer
from rosbags import rosbag2
from rosbags.typesys import Stores, get_typestore
from zprl_interfaces.msg import SessionState

from tests.ros.harness import Graph, graph
from zprl_bringup import qos
from zprl_core.bags.reading import Damage, describe, records
from zprl_core.bags.recovery import recover
from zprl_core.bags.rosbag2 import Topic
from zprl_core.bags.writer import McapFile
from zprl_core.config import load_rig
from zprl_core.graph import KEEP_MEMORY

SOURCES = [("camera", f"view{n}", 30.0) for n in range(3)] + [("arm", f"arm{n}", 100.0) for n in range(2)]
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
FLUSH_NS, WRITTEN_NS = 250_000_000, 10_000_000_000
ROUNDS = 5
Message = tuple[str, bytes, int]
"""Topic, serialised message, log time in ns."""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--images", choices=("raw", "jpeg"), default="raw")
    args = parser.parse_args()
    rig = load_rig("sim_xarm6")
    rig = replace(rig, recording=replace(rig.recording, images=args.images))
    folder = Path(tempfile.mkdtemp(prefix="zprl-recorder-"))
    try:
        with graph(folder / "graph", lockstep=False, blocks=(), rig=rig) as made:
            made.environment.update(KEEP_MEMORY)
            bags = made.run.bags
            with Conductor(made) as conductor:
                conductor.record(0, args.seconds)
                killed_ns = conductor.record_and_kill(1, args.seconds)
        _compare_loss(bags / "episode_000001", killed_ns)
        if args.images == "raw":
            _compare_writers(bags / "episode_000000", folder)
    finally:
        shutil.rmtree(folder)


class Conductor:
    """Plays the session and starts the sources; use it as a context manager."""

    def __init__(self, made: Graph) -> None:
        self._graph = made
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=made.domain)
        self._node = rclpy.create_node("conductor", context=self._context)
        self._session = self._node.create_publisher(SessionState, "/session/state", qos.changes())
        self._sequence = 0
        self._change = self._node.create_client(ChangeState, "/recorder/change_state")

    def __enter__(self) -> Conductor:
        return self

    def start_recorder(self) -> None:
        """Start a recorder, configured and active."""
        self._recorder = self._graph.start("recorder", "zprl_recorder.recorder_node")
        for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            assert self._change.wait_for_service(20.0), self._graph.log("recorder")
            future = self._change.call_async(ChangeState.Request(transition=Transition(id=transition)))
            executor = rclpy.executors.SingleThreadedExecutor(context=self._context)
            rclpy.spin_until_future_complete(self._node, future, executor, timeout_sec=10.0)
            assert future.result() is not None and future.result().success, self._graph.log("recorder")
        while self._session.get_subscription_count() == 0:
            time.sleep(0.01)

    def __exit__(self, *_: Any) -> None:
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def record(self, episode: int, seconds: float) -> None:
        """An episode from its reset to its outcome; prints what it cost and lost."""
        self.start_recorder()
        with sources(self._graph, seconds) as processes:
            self._publish("resetting", episode)
            time.sleep(0.5)
            before, begin = _cpu_s(self._recorder.pid), time.monotonic()
            _go(processes)
            late = [int(_line(process)) for process in processes]
            wall_s = time.monotonic() - begin
            time.sleep(0.5)
            cpu_s = _cpu_s(self._recorder.pid) - before
            peak_mb = _peak_mb(self._recorder.pid)
        self._publish("labelled", episode)
        self._publish("done", episode)
        bag = self._graph.run.bags / f"episode_{episode:06d}"
        self._graph.wait((bag / "metadata.yaml").exists, 60.0, "the bag is not finished")
        found = {topic.name: topic.messages for topic in describe(bag).contents.topics}
        sent = {_topic(kind, name): _count(rate, seconds) for kind, name, rate in SOURCES}
        lost = {
            topic: count - found.get(topic, found.get(f"{topic}/compressed", 0))
            for topic, count in sent.items()
        }
        size_mb = sum(path.stat().st_size for path in bag.iterdir()) * 1e-6
        print(
            f"{sum(sent.values())} messages in {wall_s:.1f} s, {size_mb:.0f} MB; late at the source: {late}"
        )
        print(f"lost: {sum(lost.values())} {({t: n for t, n in lost.items() if n}) or ''}")
        print(f"recorder: {100 * cpu_s / wall_s:.1f} % of a core, at most {peak_mb:.0f} MB of memory")
        p50, p99, longest = np.percentile(_waits(bag), [50, 99, 100])
        print(f"published to arrived, ms: p50 {p50:.2f}, p99 {p99:.2f}, max {longest:.2f}")
        self._recorder.send_signal(signal.SIGINT)
        self._recorder.wait()
        counts = self._graph.run.read_stats()["recorder"]
        waits = ", ".join(f"{key} {value:.2f}" for key, value in counts["arrival_to_bag_ms"].items())
        print(f"arrived to written, ms: {waits}; lost by its own count: {counts['lost']}")

    def record_and_kill(self, episode: int, seconds: float) -> int:
        """Kill a recorder in the middle of an episode; when that was, ns."""
        self.start_recorder()
        with sources(self._graph, min(seconds, 10.0)) as processes:
            self._publish("resetting", episode)
            time.sleep(0.5)
            _go(processes)
            time.sleep(min(seconds, 10.0) * 0.6 + float(np.random.default_rng().uniform(0, 0.3)))
            killed_ns = time.time_ns()
            self._recorder.send_signal(signal.SIGKILL)
            self._recorder.wait()
        return killed_ns

    def _publish(self, state: str, episode: int) -> None:
        self._sequence += 1
        self._session.publish(
            SessionState(run_id=self._graph.run_id, sequence=self._sequence, state=state, episode=episode)
        )


class sources:
    """The publishers' processes, ready to go."""

    def __init__(self, made: Graph, seconds: float) -> None:
        self._processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    f"{__package__}.recorder_source",
                    kind,
                    name,
                    f"{rate}",
                    f"{_count(rate, seconds)}",
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=made.environment,
                text=True,
            )
            for kind, name, rate in SOURCES
        ]

    def __enter__(self) -> list[subprocess.Popen[str]]:
        for process in self._processes:
            assert _line(process) == "ready"
        return self._processes

    def __exit__(self, *_: Any) -> None:
        for process in self._processes:
            process.communicate()


def _go(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _topic(kind: str, name: str) -> str:
    return f"/cameras/{name}/image" if kind == "camera" else f"/arms/{name}/state"


def _count(rate_hz: float, seconds: float) -> int:
    return round(rate_hz * seconds)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _peak_mb(pid: int) -> float:
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _waits(bag: Path) -> np.ndarray[Any, Any]:
    with next(bag.glob("*.mcap")).open("rb") as file:
        return np.array([m.log_time - m.publish_time for _, _, m in make_reader(file).iter_messages()]) * 1e-6


def _compare_loss(bag: Path, killed_ns: int) -> None:
    recovered = recover(bag)
    newest: dict[str, int] = {}
    for topic, _, at_ns in _messages(bag):
        newest[topic] = max(newest.get(topic, 0), at_ns)
    worst = max(
        (killed_ns - at_ns) * 1e-9 for topic, at_ns in newest.items() if not topic.startswith("/session")
    )
    print(
        f"killed: {recovered.messages} messages recovered, the newest of each topic {worst:.3f} s old or less"
    )


def _messages(bag: Path) -> Iterator[Message]:
    with next(bag.glob("*.mcap")).open("rb") as file:
        for _, channel, message in make_reader(file).iter_messages():
            yield channel.topic, message.data, message.log_time


def _compare_writers(bag: Path, folder: Path) -> None:
    """What each writer costs for the first 10 s of the bag, and what it keeps of the arms' messages alone."""
    begin_ns = next(_messages(bag))[2]
    messages = [message for message in _messages(bag) if message[2] - begin_ns < WRITTEN_NS]
    arms = [message for message in messages if message[0].startswith("/arms/")]
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in WRITERS}
    for _ in range(ROUNDS):
        for name in WRITERS:
            costs[name].append(_cost(name, messages, folder / "writer.mcap"))
    for name, found in costs.items():
        percent, p99_ms = zip(*found, strict=True)
        lost_s = _lost_by_a_kill(name, arms, folder / "writer.mcap")
        cost = f"{min(percent):.1f} to {max(percent):.1f} % of a core"
        took = f"{min(p99_ms):.2f} to {max(p99_ms):.2f} ms a message (p99)"
        print(f"{name} alone, {ROUNDS} rounds: {cost}, {took}; a kill loses {lost_s:.2f} s of the arms alone")


def _write(name: str, messages: list[Message], file: Path) -> list[float]:
    """Write the messages, and leave the file as a kill would; seconds that each took."""
    file.unlink(missing_ok=True)
    shutil.rmtree(file.with_suffix(""), ignore_errors=True)
    write = WRITERS[name](file, sorted({topic for topic, _, _ in messages}))
    took = []
    for message in messages:
        start = time.perf_counter()
        write(message)
        took.append(time.perf_counter() - start)
    return took


def _cost(name: str, messages: list[Message], file: Path) -> tuple[float, float]:
    """Share of a core, %, at the pace of the recording; time of a message, ms, p99."""
    before = time.process_time()
    took = _write(name, messages, file)
    span_s = (messages[-1][2] - messages[0][2]) * 1e-9
    return 100 * (time.process_time() - before) / span_s, float(1e3 * np.percentile(took, 99))


def _lost_by_a_kill(name: str, messages: list[Message], file: Path) -> float:
    """How much older the newest message on the file is than the newest one that was written, s."""
    _write(name, messages, file)
    left = next(path for path in (file, *file.with_suffix("").glob("*.mcap")) if path.exists())
    kept = [r.log_time for r in records(left, Damage()) if isinstance(r, McapMessage)]
    return (messages[-1][2] - max(kept, default=messages[0][2])) * 1e-9


Write = Callable[[Message], None]


def _ours(file: Path, topics: list[str]) -> Write:
    bag = McapFile(file)
    channels = {
        topic: bag.add_topic(Topic(topic, "std_msgs/msg/String"), "string data\n", "ros2msg")
        for topic in topics
    }
    flushed = [0]

    def write(message: Message) -> None:
        topic, data, at_ns = message
        bag.write(channels[topic], data, at_ns, at_ns, 0)
        if at_ns - flushed[0] > FLUSH_NS:
            flushed[0] = at_ns
            bag.flush()

    return write


def _mcap(file: Path, topics: list[str]) -> Write:
    writer = Writer(str(file), compression=CompressionType.NONE)
    writer.start("ros2")
    schema = writer.register_schema("std_msgs/msg/String", "ros2msg", b"string data\n")
    channels = {topic: writer.register_channel(topic, "cdr", schema) for topic in topics}
    return lambda message: writer.add_message(channels[message[0]], message[2], message[1], message[2])


def _rosbags(file: Path, topics: list[str]) -> Write:
    store = get_typestore(Stores.ROS2_KILTED)
    writer = rosbag2.Writer(file.with_suffix(""), version=9, storage_plugin=rosbag2.StoragePlugin.MCAP)
    writer.open()
    channels = {
        topic: writer.add_connection(topic, "std_msgs/msg/String", typestore=store) for topic in topics
    }
    return lambda message: writer.write(channels[message[0]], message[2], message[1])


WRITERS = {"rosbags": _rosbags, "mcap": _mcap, "ours": _ours}


if __name__ == "__main__":
    main()
