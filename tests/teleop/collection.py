"""A collection that runs, with its real processes, and what its bags hold."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from mcap.reader import make_reader
from rclpy.serialization import deserialize_message
from zprl_interfaces.msg import ArmState, SimState

from tests.panel.bench import free_port
from tests.ros import training
from zprl_core.records import EpisodeRecord, read_records
from zprl_sim.judge import Judge, Outcome

UP_S, END_S = 110.0, 40.0
BAG_S = 20.0
"""How long a busy machine's recorder may take until an episode's bag is finished."""


class Collection:
    """`zprl collect` in a folder of its own.

    Args:
        run: its folder, new, or one to go on with. words: of the command, besides.
    """

    def __init__(self, run: Path, *words: str) -> None:
        self.run, self._log = run, run / "logs" / "session_node.log"
        self._said = len(self._log.read_text()) if run.exists() else 0  # by an earlier start
        given = ["--resume"] if run.exists() else ["--rig", "sim_xarm6", "--task", "place_orange_demo"]
        port = free_port()
        self.process = training.start(
            "collect", *given, "--teleop", f"127.0.0.1:{port}", "--panel", "none", "--out", str(run), *words
        )

    def wait(self) -> None:
        """Until everybody is there."""
        deadline = time.monotonic() + UP_S
        while not (self._up() and self.link):
            assert self.process.poll() is None, self.process.stdout.read() if self.process.stdout else ""
            assert time.monotonic() < deadline, "the collection did not come up"
            time.sleep(0.2)

    def _up(self) -> bool:
        return self._log.exists() and "everybody is there" in self._log.read_text()[self._said :]

    @property
    def link(self) -> str:
        """The next way in, empty before there is one."""
        path = self.run / "teleop" / "link"
        return path.read_text().strip() if path.exists() else ""

    @property
    def records(self) -> tuple[EpisodeRecord, ...]:
        """Its episodes."""
        return read_records(self.run / "episodes.jsonl")

    def end(self) -> str:
        """Ctrl-C, where it has not ended by itself; what it printed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.communicate(timeout=END_S)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@contextmanager
def collecting(run: Path, *words: str) -> Iterator[Collection]:
    """A collection that is up, and gone afterwards."""
    made = Collection(run, *words)
    try:
        made.wait()
        yield made
    finally:
        made.end()


def _messages(run: Path, episode: int, topic: str, kind: Any) -> list[Any]:
    bag = run / "bags" / f"episode_{episode:06d}"
    deadline = time.monotonic() + BAG_S
    while not (bag / "metadata.yaml").exists():  # which is written last
        assert time.monotonic() < deadline, f"{bag} was not finished in {BAG_S} s"
        time.sleep(0.1)
    (path,) = bag.glob("*.mcap")
    with path.open("rb") as file:
        return [deserialize_message(m.data, kind) for _, _, m in make_reader(file).iter_messages([topic])]


def motion(run: Path, episode: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (n,), s, and measured and commanded tool positions (n, 3), m, of an episode's bag."""
    states = _messages(run, episode, "/arms/arm/state", ArmState)
    times = [state.header.stamp.sec + 1e-9 * state.header.stamp.nanosec for state in states]
    places = [(state.pose_base_tcp.position, state.setpoint_base_tcp.position) for state in states]
    vectors = np.array([[(p.x, p.y, p.z) for p in pair] for pair in places])
    return np.array(times), vectors[:, 0], vectors[:, 1]


def succeeded(run: Path, episode: int) -> bool:
    """Whether the simulated world of an episode's bag ended with the half on the filter."""
    last = _messages(run, episode, "/sim/state", SimState)[-1]
    return Judge()(last.qpos, last.qvel).outcome is Outcome.SUCCESS
