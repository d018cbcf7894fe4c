# SPDX-License-Identifier: Apache-2.0
"""Several copies of an environment that execute a chunk each, in this process or spread over processes.

How many processes there are changes nothing but the time: each copy is reset by seed and told its chunks.
"""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.errors import SessionError, ZprlError
from zprl_core.experiments.environments.protocol import Environment, Observation
from zprl_core.experiments.environments.registry import make_environment

JOIN_S = 10.0


@dataclass(frozen=True, eq=False)
class Execution:
    """What a chunk led to.

    Attributes:
        reward: sum over the waypoints that were executed.
        success: at any of them.
        over: the episode ends here by the task's rules.
        steps: waypoints executed.
        observation: seen after them. observe_s: how long that took, rendering above all.
    """

    reward: float
    success: bool
    over: bool
    steps: int
    observation: Observation
    observe_s: float


def execute(environment: Environment, actions: NDArray[np.float32], dense: bool = False) -> Execution:
    """Run waypoints (n, da) until they end, or the task succeeds.

    With a dense reward an episode goes on after success (ours; Adroit's own way): were it over, what pays is
    to put success off.
    """
    reward, steps, success, over = 0.0, 0, False, False
    for action in actions:
        step = environment.step(action)
        reward, success, steps = reward + step.reward, success or step.success, steps + 1
        over = success and not dense
        if over:
            break
    began = time.perf_counter()
    seen = environment.observe()
    return Execution(reward, success, over, steps, seen, time.perf_counter() - began)


class VectorEnvironment:
    """Copies of a task, by number. A context manager that frees them.

    Args:
        task: a benchmark. count: of copies. processes: that share them; 0: all are in this process.

    Attributes:
        abreast: copies that run at a time.

    Raises:
        ConfigError: see `make_environment`.
    """

    def __init__(self, task: TaskConfig, count: int, processes: int = 0) -> None:
        self.count, self.abreast, self._dense = count, max(1, min(processes, count)), task.dense_reward
        self._workers = [_Worker(task, count, which, processes) for which in range(min(processes, count))]
        self._own = [] if self._workers else [make_environment(task) for _ in range(count)]

    def __enter__(self) -> VectorEnvironment:
        """The copies."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free them."""
        for worker in self._workers:
            worker.close()
        for environment in self._own:
            environment.close()

    def reset(self, seeds: Mapping[int, int]) -> dict[int, Observation]:
        """Lay out scenes, {copy: seed}; what is seen then."""
        if self._own:
            return {copy: _reset(self._own[copy], seed) for copy, seed in seeds.items()}
        return self._ask("reset", seeds)

    def run(self, chunks: Mapping[int, NDArray[np.float32]]) -> dict[int, Execution]:
        """Execute chunks, {copy: (n, da)}."""
        if self._own:
            return {copy: execute(self._own[copy], actions, self._dense) for copy, actions in chunks.items()}
        return self._ask("run", chunks)

    def _ask(self, what: str, values: Mapping[int, Any]) -> dict[int, Any]:
        """Have all workers do their part at once; the answers come in the order of `values`."""
        shares = [
            (worker, {copy: value for copy, value in values.items() if copy in worker.copies})
            for worker in self._workers
        ]
        for worker, share in shares:
            worker.send(what, share)
        answers: dict[int, Any] = {}
        for worker, _ in shares:
            answers |= worker.receive()
        return {copy: answers[copy] for copy in values}


class _Worker:
    """A process with every n-th copy."""

    def __init__(self, task: TaskConfig, count: int, which: int, processes: int) -> None:
        self.copies = range(which, count, processes)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, task, self.copies), daemon=True)
        self._process.start()
        theirs.close()

    def send(self, what: str, share: Mapping[int, Any]) -> None:
        """Give it work."""
        try:
            self._pipe.send((what, share))
        except OSError as error:
            raise self._gone() from error

    def receive(self) -> dict[int, Any]:
        """Its answer.

        Raises:
            ZprlError: what it raised. SessionError: it is gone.
        """
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._gone() from error
        if isinstance(answer, Exception):
            raise answer
        found: dict[int, Any] = answer
        return found

    def close(self) -> None:
        """End it; closing the pipe is its signal."""
        self._pipe.close()
        self._process.join(JOIN_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _gone(self) -> SessionError:
        self._process.join(JOIN_S)
        code = self._process.exitcode
        return SessionError(f"a process of simulators ended with exit code {code}: run the trial again")


def _serve(pipe: Connection, task: TaskConfig, copies: Sequence[int]) -> None:
    """Answer until the pipe closes."""
    environments: dict[int, Environment] = {}
    run = partial(execute, dense=task.dense_reward)
    doing: dict[str, Callable[[Environment, Any], Any]] = {"reset": _reset, "run": run}
    try:
        while True:
            what, share = pipe.recv()
            try:
                environments = environments or {copy: make_environment(task) for copy in copies}
                pipe.send({copy: doing[what](environments[copy], value) for copy, value in share.items()})
            except ZprlError as error:
                pipe.send(error)
            except Exception:  # of a simulator: not to be taken for the pipe's end
                pipe.send(SessionError(f"a process of simulators failed:\n{traceback.format_exc()}"))
    except (EOFError, OSError, KeyboardInterrupt):
        pass
    finally:
        for environment in environments.values():
            environment.close()


def _reset(environment: Environment, seed: int) -> Observation:
    environment.reset(seed)
    return environment.observe()
