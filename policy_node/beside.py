"""Work that takes longer than the node's thread may be held up: one job at a time, in a thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from zprl_core import scheduling
from zprl_core.arithmetic import use_threads

LOOK_S = 0.01


class Beside:
    """Runs jobs in the order in which they came; their results come back in the node's own thread.

    Args:
        node: whose timer looks for results.
        threads: of torch, in a job.
    """

    def __init__(self, node: Any, threads: int) -> None:
        self._pool = ThreadPoolExecutor(1, initializer=_prepare, initargs=(threads,))
        self._pending: deque[tuple[Future[Any], Callable[[Any], None]]] = deque()
        self._timer = node.create_timer(LOOK_S, self._look)
        self._timer.cancel()

    def start(self, job: Callable[..., Any], *arguments: Any, done: Callable[[Any], None]) -> None:
        """Run `job(*arguments)`, then `done` with what it returns; what it raises is raised in the node."""
        self._pending.append((self._pool.submit(partial(job, *arguments)), done))
        self._timer.reset()

    def close(self) -> None:
        """Wait for the job under way and forget the others."""
        self._pool.shutdown(cancel_futures=True)

    def _look(self) -> None:
        while self._pending and self._pending[0][0].done():
            found, done = self._pending.popleft()
            done(found.result())
        if not self._pending:
            self._timer.cancel()


def _prepare(threads: int) -> None:
    scheduling.as_usual()
    use_threads(threads)
