# SPDX-License-Identifier: Apache-2.0
"""Starts the processes of a graph, keeps their output, and ends all of them together.

For machines where ROS 2 came from pip, which has no `launch`. honcho does not fit: it ends children with
SIGTERM only, keeps no log per process, and leaves them behind when it is killed itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from zprl_core.errors import SessionError
from zprl_core.graph import NodeSpec

GRACE_S = 20.0
TERM_S = 3.0
RESPAWN_S = 1.0
TAIL_LINES = 12
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Command:
    """One process: its name, its arguments, variables that only it gets, and whether it is started again when
    it ends by itself.
    """

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    respawn: bool = False


def node_command(node: NodeSpec, folder: Path, python: str = sys.executable) -> Command:
    """The process of a node; writes its parameters to `folder`/<name>.params.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{node.name}.params.yaml"
    # JSON is YAML whose texts are always quoted: ROS's parser reads a bare 1e5 as a number, PyYAML does not.
    parameters = {"/**": {"ros__parameters": node.plain_parameters()}}
    file.write_text(json.dumps(parameters, indent=2), encoding="utf-8")
    ros = ("--ros-args", "--params-file", str(file), "-r", f"__node:={node.name}")
    arguments = (python, "-m", f"{node.package}.{node.executable}", *ros)
    return Command(node.name, arguments, node.environment, node.respawn)


@dataclass
class _Child:
    command: Command
    process: subprocess.Popen[bytes]
    log: Path
    start: int  # byte of the log where this process's output begins
    shown: int  # byte of the log up to which it was shown
    ended_s: float | None = None  # when a process that is to be started again was seen to have ended

    @property
    def name(self) -> str:
        """Of the process."""
        return self.command.name


@dataclass(frozen=True)
class Ended:
    """A process that ended by itself; what it said last, and the last error that each other one reported."""

    name: str
    code: int
    log: Path
    tail: tuple[str, ...]
    others: Mapping[str, str] = field(default_factory=dict)

    def how(self) -> str:
        """Exit code or signal in words."""
        if self.code < 0:
            with contextlib.suppress(ValueError):
                return f"was killed by {signal.Signals(-self.code).name}"
        return f"ended with exit code {self.code}"

    def error(self) -> SessionError:
        """An error that names the process, how it ended, and what it said last."""
        tail = "\n".join(f"    {line}" for line in self.tail) or "    (it printed nothing)"
        others = "".join(f"\n{name} reported: {line}" for name, line in self.others.items())
        return SessionError(
            f"{self.name} {self.how()}; the others were ended. The end of {self.log}:\n{tail}{others}"
        )


class Supervisor:
    """Runs processes as one: a context manager that ends every one of them on exit.

    Each process leads its own process group, so that what it started ends with it, and gets SIGTERM from
    the kernel if this process is killed.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        logs: Path,
        environment: Mapping[str, str],
        *,
        echo: IO[str] | None = None,
        grace_s: float = GRACE_S,
        term_s: float = TERM_S,
    ) -> None:
        """
        Args:
            commands: what to start, in this order; names are unique.
            logs: folder of <name>.log, appended to.
            environment: of every process.
            echo: where output goes too, each line prefixed by its process, when `poll` is called.
            grace_s: time between SIGINT and SIGTERM, s.
            term_s: time between SIGTERM and SIGKILL, s.
        """
        self._commands = commands
        self._logs = logs
        self._environment = dict(environment)
        self._echo = echo
        self._patience = ((signal.SIGINT, grace_s), (signal.SIGTERM, term_s))
        self._children: list[_Child] = []

    def __enter__(self) -> Supervisor:
        """Start everything."""
        self._logs.mkdir(parents=True, exist_ok=True)
        try:
            for command in self._commands:
                self._children.append(self._start(command))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything."""
        self.stop()

    def poll(self) -> Ended | None:
        """Show new output; the first process that has ended by itself, or None while all run.

        One that is to be started again is, a second after its end.
        """
        for child in self._children:
            self._show(child)
        for i, child in enumerate(self._children):
            code = child.process.poll()
            if code is None:
                continue
            self._show(child)
            if not child.command.respawn:
                return self._ended(child, code)
            self._children[i] = self._revived(child, code)
        return None

    def _revived(self, child: _Child, code: int) -> _Child:
        if child.ended_s is None:
            child.ended_s = time.monotonic()
            how = self._ended(child, code).how()
            print(f"warning: {child.name} {how} and is started again; see {child.log}", file=sys.stderr)
        if time.monotonic() - child.ended_s < RESPAWN_S:
            return child
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        return self._start(child.command)

    def _ended(self, child: _Child, code: int) -> Ended:
        errors = {other.name: _last_error(other) for other in self._children if other is not child}
        reported = {name: line for name, line in errors.items() if line}
        return Ended(child.name, code, child.log, _lines(child)[-TAIL_LINES:], reported)

    def stop(self) -> dict[str, int]:
        """End what still runs: SIGINT, then SIGTERM, then SIGKILL; returns exit codes by name.

        A second Ctrl-C in the meantime skips the patience.
        """
        for number, patience in self._patience:
            with contextlib.suppress(KeyboardInterrupt):
                self._signal(number)
                self._wait(patience)
        for child in self._children:
            with contextlib.suppress(ProcessLookupError):  # also what a dead child left in its group
                os.killpg(child.process.pid, signal.SIGKILL)
        codes = {child.name: child.process.wait() for child in self._children}
        for child in self._children:
            self._show(child)
        self._children.clear()
        return codes

    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        return {child.name: child.process.pid for child in self._children}

    def _start(self, command: Command) -> _Child:
        log = self._logs / f"{command.name}.log"
        with log.open("ab") as output:
            start = output.tell()
            process = subprocess.Popen(
                command.arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**self._environment, **command.environment},
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        return _Child(command, process, log, start, start)

    def _signal(self, number: signal.Signals) -> None:
        for child in self._children:
            if child.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.process.pid, number)

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(c.process.poll() is None for c in self._children):
            time.sleep(0.02)

    def _show(self, child: _Child) -> None:
        if self._echo is None:
            return
        with child.log.open("rb") as file:
            file.seek(child.shown)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        child.shown += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            print(f"{child.name:>20} | {line}", file=self._echo, flush=True)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """SIGINT and SIGTERM become a KeyboardInterrupt at its end: raised in the middle of a fork, Python would
    print and drop it. In the main thread only.
    """
    heard: list[int] = []
    numbers = signal.SIGINT, signal.SIGTERM
    before = {number: signal.signal(number, lambda number, _: heard.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if heard:
        raise KeyboardInterrupt


def end_with_parent() -> None:
    """In the child, before exec: let the kernel send SIGTERM when the parent dies."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _lines(child: _Child) -> tuple[str, ...]:
    """What a process has printed since this start."""
    with child.log.open("rb") as file:
        file.seek(child.start)
        return tuple(file.read().decode(errors="replace").splitlines())


def _last_error(child: _Child) -> str:
    found = [line for line in _lines(child) if line.startswith(("[ERROR]", "[FATAL]", "error:"))]
    return found[-1] if found else ""
