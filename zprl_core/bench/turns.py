# SPDX-License-Identifier: Apache-2.0
"""Things measured in turns in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

SIZE, PRODUCTS = 1024, 8
WARM_UP = 2


def in_turns(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median time of each call, ms; every round makes each of them once.

    CPU time, which other processes on the machine leave alone; but of what a GPU computes or several threads
    share, time on the clock.
    """
    several = torch.get_num_threads() > 1
    clocks = {
        name: time.perf_counter if several or name.startswith("cuda") else time.process_time for name in calls
    }
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(-WARM_UP, rounds):
        for name, call in calls.items():
            begun = clocks[name]()
            call()
            if turn >= 0:
                taken[name].append(clocks[name]() - begun)
    return {name: statistics.median(times) * 1e3 for name, times in taken.items()}


def rate(dtype: torch.dtype = torch.float32) -> float:
    """Multiply-adds a second of one large product, the best of several."""
    a, b = torch.randn(2, SIZE, SIZE).to(dtype).unbind()
    times = []
    for _ in range(PRODUCTS):
        begun = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - begun)
    return float(SIZE**3 / min(times))
