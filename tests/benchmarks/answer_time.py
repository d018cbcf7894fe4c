"""How long a policy takes from an observation to its chunk, while the learner updates.

    python -m tests.benchmarks.answer_time --task insert_bills --threads 2 --precision bf16

The paper's networks with random weights, on noise. In every period the frames of the observation's earlier
steps are encoded first, as they come in real time; "answer" is the rest, from the moment when the newest
frames are there: their encoding, z, dz and the flow. "all at once" encodes all frames then. The learner, a
process of its own, updates without a pause: more than any run asks for. Both ways, and with and without the
learner, take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event

import numpy as np
from numpy.typing import NDArray

from zprl_core import scheduling
from zprl_core.arithmetic import fast_matmul, use_threads
from zprl_core.base import new_model
from zprl_core.bench.table import processor
from zprl_core.bench.updates import FILLED, example, filled
from zprl_core.config import ComputeConfig, ProcessConfig, load_task
from zprl_core.data.observation import Observation, noise
from zprl_core.rl.updates import one_update
from zprl_core.runtime import PolicyRuntime

CRITICS, WARM_UP = 5, 5


def main() -> None:
    """Measure and print."""
    args = _arguments()
    if args.realtime_priority:
        mine = ProcessConfig(name="policy_node", realtime_priority=args.realtime_priority)
        assert not (refused := scheduling.apply(mine)), refused
    use_threads(args.threads)
    task = load_task(args.task)
    compute = ComputeConfig(backends=tuple(args.backends), precision=args.precision)
    runtime = PolicyRuntime(new_model(task, 0), task, 0.2, compute, print)
    (observation,) = noise(task, 1)
    turns: dict[tuple[bool, bool], list[float]] = {}
    for _ in range(args.turns):
        for busy in (False, True):
            with _learner(busy, args.nice):
                for early in (True, False):
                    found = _answers(runtime, observation, args.chunks // args.turns, args.period_ms, early)
                    turns.setdefault((early, busy), []).extend(found)
    learner = f"{CRITICS} critics, one thread, nice {args.nice}"
    priority = f", real-time priority {args.realtime_priority}" if args.realtime_priority else ""
    print(f"{args.task}, {processor()}, threads: {args.threads}{priority}, learner: {learner}")
    print(f"{'':32}{'answer, ms: p50':>16}{'p99':>8}{'max':>8}{'within the period':>20}")
    for (early, busy), ms in turns.items():
        title = f"{'early' if early else 'all at once'}, learner {'busy' if busy else 'away'}"
        p50, p99, worst = np.percentile(ms, (50, 99, 100))
        within = np.mean(np.array(ms) <= args.period_ms)
        print(f"{title:32}{p50:16.1f}{p99:8.1f}{worst:8.1f}{within:20.1%}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default="insert_bills")
    parser.add_argument("--threads", type=int, default=2, help="of torch, for the policy")
    parser.add_argument("--backends", nargs="+", default=["torch"], choices=("cuda", "openvino", "torch"))
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16", "fp16"))
    parser.add_argument("--period-ms", type=float, default=50.0)
    parser.add_argument("--nice", type=int, default=0, help="of the learner, as compute.processes sets it")
    parser.add_argument("--realtime-priority", type=int, help="of the policy, likewise")
    parser.add_argument("--chunks", type=int, default=200, help="of each way")
    parser.add_argument("--turns", type=int, default=4)
    return parser.parse_args()


def _answers(
    runtime: PolicyRuntime, observation: Observation, chunks: int, period_ms: float, early: bool
) -> list[float]:
    """From the newest frames to the chunk, ms."""
    rng, found = np.random.default_rng(0), []
    for chunk in range(-WARM_UP, chunks):
        noise_z, noise_dz, w = (rng.standard_normal(shape, np.float32) for shape in runtime.noise_shapes)
        known = _embedded(runtime, observation, slice(0, -1)) if early else {}
        time.sleep(1e-3 * period_ms)
        began = time.perf_counter()
        rest = _embedded(runtime, observation, slice(-1, None) if early else slice(0, None))
        seen = {name: np.stack([*known.get(name, []), *newest]) for name, newest in rest.items()}
        c = runtime.condition(seen, observation.proprio)
        runtime.plan("explore", c, runtime.base(c, noise_z, w), noise_dz, w)
        if chunk >= 0:
            found.append(1e3 * (time.perf_counter() - began))
    return found


def _embedded(
    runtime: PolicyRuntime, observation: Observation, steps: slice
) -> dict[str, list[NDArray[np.float32]]]:
    return {
        name: [runtime.embed(name, frame) for frame in frames[steps]]
        for name, frames in observation.images.items()
    }


@contextlib.contextmanager
def _learner(busy: bool, nice: int) -> Iterator[None]:
    """Updates in a process of its own, meanwhile."""
    context = multiprocessing.get_context("spawn")
    begun, over = context.Event(), context.Event()
    process = context.Process(target=_update, args=(begun, over, nice), daemon=True)
    if not busy:
        yield
        return
    process.start()
    while not begun.wait(0.5):
        assert process.is_alive(), "the learner has ended; see above"
    try:
        yield
    finally:
        over.set()
        process.join()


def _update(begun: Event, over: Event, nice: int) -> None:
    scheduling.as_usual()
    os.setsid()  # as the supervisor starts it
    assert not scheduling.apply(ProcessConfig(name="learner_node", nice=nice))
    use_threads(1)
    fast_matmul()
    sac, replay = example(CRITICS), filled(FILLED)
    number = 0
    while not over.is_set():
        one_update(sac, replay, 0, number)
        number += 1
        begun.set()


if __name__ == "__main__":
    main()
