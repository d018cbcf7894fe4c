"""One start of `zprl train` for the kill test: a process dies, the rest must end, nothing must be left."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.benchmarks import processes
from tests.benchmarks.kill_operator import Operator
from tests.benchmarks.processes import SUPERVISOR, Process
from tests.panel.bench import free_port
from tests.ros import training
from zprl_core import single_host
from zprl_core.run_folder import RunFolder, read_json

UP_S, END_S, RESPAWN_S = 110.0, 60.0, 60.0  # less than the session waits for its nodes
CLEANED = 6
READY = "everybody is there"
PANEL = "panel_node"
PORT = re.compile(r"fastdds_port\d+")
"""52 kB that Fast DDS never removes, well ended or not; the next session takes it over by its number."""


class NotUpError(Exception):
    """A session did not come up, or ended before it was; says what is known."""


@dataclass
class Death:
    """What a kill did.

    Attributes:
        process, state, episode: killed, and the session's as it had told last.
        exit_code, named: of the supervisor, and whether its message names the process.
        end_s: from the kill until every process had ended, s.
        executed: chunks that the arm executed after the kill; others: of another episode.
        sim_s: by how much simulated time went on.
        left: processes that did not end. shared: files in /dev/shm that they left.
        problems: what should not be.
    """

    process: str
    state: str
    episode: int
    exit_code: int | None = None
    named: bool = False
    end_s: float = 0.0
    executed: int = 0
    others: int = 0
    sim_s: float = 0.0
    left: list[str] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Start:
    """A session that was started, with its operator; a context manager that leaves no process.

    Args:
        run: its folder. words: of `zprl`, without --panel. rng: of the operator.
    """

    def __init__(self, run: Path, words: list[str], rng: random.Random) -> None:
        self.run, self._words, self._rng = run, words, rng
        self._log = run.with_name(f"{run.name}.zprl.log")

    def __enter__(self) -> Start:
        self.operator: Operator | None = None
        session_log, live = self.run / "logs" / "session_node.log", RunFolder(self.run).live_file
        seen, self._from = _size(session_log), _size(self._log)
        old = live.stat().st_mtime_ns if live.exists() else 0  # a killed supervisor's
        self.supervisor = self._start()
        try:
            self._wait(lambda: live.exists() and live.stat().st_mtime_ns != old, "no session")
            self.operator = Operator(read_json(live)["environment"], self._rng).__enter__()
            self._wait(lambda: READY in _tail(session_log, seen), "the nodes are not up")
            self._wait(self.operator.connected, "the session does not answer")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.nodes = processes.of_run(self.run)
        return self

    def _start(self) -> subprocess.Popen[bytes]:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # children of a background job ignore it
        command = [sys.executable, "-m", "zprl_core.cli", *self._words, "--panel", f"127.0.0.1:{free_port()}"]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, env=training.environment(), start_new_session=True
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.operator is not None:
            self.operator.__exit__(None, None, None)
        if self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGINT)
        try:
            self.supervisor.wait(END_S)
        except subprocess.TimeoutExpired:
            self.supervisor.kill()
            self.supervisor.wait()

    @property
    def words(self) -> str:
        """What `zprl` printed."""
        return _tail(self._log, self._from)

    @property
    def over(self) -> bool:
        """Whether the supervisor has ended."""
        return self.supervisor.poll() is not None

    def kill(self, name: str) -> Death:
        """SIGKILL to a process; what became of the others."""
        assert self.operator is not None
        self.nodes = processes.of_run(self.run)
        operator, victim = self.operator, self.nodes[name]
        shared = {one: processes.shared_files(one.pid) for one in self.nodes.values()}
        death = Death(name, operator.state, operator.episode)
        os.kill(victim.pid, signal.SIGKILL)
        killed_ns, at_s = time.time_ns(), time.monotonic()
        if name == PANEL:
            self._see_it_again(death, victim)
            return death
        operator.look(END_S, lambda: self.over and self._all_gone())
        death.end_s = round(time.monotonic() - at_s, 2)
        operator.look(0.2)
        death.state, death.episode = operator.at(killed_ns)
        after = [episode for sent_ns, episode in operator.executed if sent_ns > killed_ns]
        death.executed, death.others = len(after), sum(episode != death.episode for episode in after)
        death.sim_s = _gone_on_s(operator.worlds, killed_ns)
        operator.__exit__(None, None, None)
        self.operator = None
        self._judge_end(death, set().union(*shared.values()))
        return death

    def _see_it_again(self, death: Death, victim: Process) -> None:
        """The panel alone is started again, and the session goes on."""
        assert self.operator is not None
        began = time.monotonic()

        def again() -> bool:
            new = processes.of_run(self.run).get(PANEL)
            return new is not None and new != victim and (self.run / "panel" / "link").exists()

        if not self.operator.look(RESPAWN_S, again):
            death.problems.append(f"the panel was not started again within {RESPAWN_S:g} s")
        death.end_s = round(time.monotonic() - began, 2)
        if self.over:
            death.problems.append("the session ended with the panel")

    def _all_gone(self) -> bool:
        return all(map(processes.gone, self.nodes.values()))

    def _judge_end(self, death: Death, shared: set[Path]) -> None:
        death.exit_code, death.named = self.supervisor.poll(), f"{death.process} was killed" in self.words
        for one in self.nodes.values():
            group = processes.group_members(one.pid)
            if not processes.gone(one) or group:
                death.left.append(f"{one.name} {one.pid} {group}")
        others = processes.of_run(self.run)
        death.left += [f"{one.name} {one.pid}" for one in others.values() if one not in self.nodes.values()]
        death.shared = _abandoned(shared)
        if kept := _after_cleaning(shared):
            death.problems.append(f"left in /dev/shm: {kept}")
        if death.exit_code in (None, 0):
            death.problems.append(f"zprl's exit code is {death.exit_code}")
        if death.process != SUPERVISOR and not death.named:
            death.problems.append("zprl did not say which process was killed")
        if "Traceback" in self.words:
            death.problems.append("zprl printed a traceback")
        if death.left:
            death.problems.append(f"left behind: {death.left}")
        if death.others:
            death.problems.append(f"{death.others} chunks of other episodes were executed after the kill")

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + UP_S
        while not condition():
            if self.over or time.monotonic() > deadline:
                nodes = processes.of_run(self.run).values()
                lost = {one.name: sorted(processes.unlinked_files(one.pid)) for one in nodes}
                raise NotUpError(f"{what}: {self.words[-400:]!r}; unlinked in /dev/shm: {lost}")
            if self.operator is not None:
                self.operator.look(0.05)
            else:
                time.sleep(0.05)


def _gone_on_s(worlds: list[tuple[int, int]], killed_ns: int) -> float:
    """By how much simulated time went on after a kill."""
    before = max((sim_ns for sent_ns, sim_ns in worlds if sent_ns <= killed_ns), default=0)
    after = max((sim_ns for sent_ns, sim_ns in worlds if sent_ns > killed_ns), default=before)
    return round((after - before) * 1e-9, 3)


def _after_cleaning(shared: set[Path]) -> list[str]:
    """What the next start would leave; looked at again, as other sessions of this machine clean up too."""
    for _ in range(CLEANED):
        single_host.clean_shared_memory()
        if not (kept := [name for name in _abandoned(shared) if not PORT.fullmatch(name)]):
            return []
        time.sleep(0.5)
    return kept


def _abandoned(shared: set[Path]) -> list[str]:
    held = processes.held()
    return sorted(path.name for path in shared - held if path.exists())


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tail(path: Path, start: int) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")
