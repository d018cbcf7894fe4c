# SPDX-License-Identifier: Apache-2.0
"""Runs functions in processes of their own, side by side, for a bounded time.

Vendors' libraries print, hang, and take their process down. Out here each of these is a line of text.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from zprl_core.errors import ZprlError

_END_S = 1.0


@dataclass(frozen=True)
class Job:
    """A function of a module, and its arguments; all of it, and the result, is pickled."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Failure:
    """Why a job has no result, in one line."""

    reason: str


@dataclass
class _Running:
    process: SpawnProcess
    pipe: Connection
    log: Path


def run_aside(jobs: Sequence[Job], patience_s: float) -> list[Any]:
    """What each job returned, or its `Failure`, in order. No process is left when this returns.

    Args:
        jobs: started together.
        patience_s: after which those that are not done are killed.
    """
    with tempfile.TemporaryDirectory(prefix="zprl") as folder, contextlib.ExitStack() as stack:
        running = [stack.enter_context(_started(job, Path(folder) / str(i))) for i, job in enumerate(jobs)]
        end_s = time.monotonic() + patience_s
        waiting = {job.pipe for job in running}
        while waiting and time.monotonic() < end_s:
            waiting -= set(wait(list(waiting), max(0.0, end_s - time.monotonic())))  # type: ignore[arg-type]
        return [_result(job, job.pipe not in waiting, patience_s) for job in running]


@contextlib.contextmanager
def _started(job: Job, log: Path) -> Iterator[_Running]:
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, str(log), job), daemon=True)
    process.start()
    theirs.close()
    try:
        yield _Running(process, mine, log)
    finally:
        mine.close()
        process.join(_END_S if process.exitcode is None else 0.0)
        if process.exitcode is None:
            process.kill()
            process.join()


def _result(job: _Running, done: bool, patience_s: float) -> Any:
    if not done:
        job.process.kill()
        return Failure(f"no answer within {patience_s:g} s")
    try:
        return job.pipe.recv()
    except EOFError:
        job.process.join(_END_S)
        said = job.log.read_text(errors="replace").strip().splitlines() if job.log.is_file() else []
        return Failure(f"its process ended with exit code {job.process.exitcode}: {said[-1] if said else ''}")


def _work(pipe: Connection, log: str, job: Job) -> None:
    """In the job's process. Whatever the function leaves running must not keep it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends this process
    with open(log, "wb", buffering=0) as file:  # noqa: PTH123
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    try:
        result = job.function(*job.arguments)
    except ZprlError as error:
        result = Failure(str(error))
    except Exception as error:
        result = Failure(f"{type(error).__name__}: {error}")
    pipe.send(result)
    pipe.close()
    sys.stderr.flush()
    os._exit(0)
