"""How each cost grows with what causes it, as the exponent of a power law: cost = factor * size^exponent.

    python -m tests.benchmarks.scaling --out runs/scaling

Policy inference with 1 to 4 cameras (torch fp32, Place Orange); what all bridges do for a chunk with 1 and 2
arms; an update of SAC with 2 to 10 critics; sampling a batch from, and appending to, a replay buffer of 10^4
to 10^6 transitions, which takes some 3 GB. Medians of CPU time, of several turns; in each round of a turn
every size has one call. The standard error is that of the straight line through all medians, so it holds the
turns' scatter and what is no power law. Writes OUT/scaling.json and OUT/scaling.png.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from zprl_core.arithmetic import channels_last, fast_matmul, use_threads
from zprl_core.base import new_model
from zprl_core.bench import updates
from zprl_core.bench.table import machine
from zprl_core.bench.turns import in_turns
from zprl_core.config import ComputeConfig, load_task
from zprl_core.data.observation import noise
from zprl_core.inference.backend import choose, encode
from zprl_core.rl.replay import ReplayBuffer
from zprl_core.rl.updates import one_update

BATCH = 256
TRANSITIONS = (10_000, 100_000, 1_000_000)
BLUE, VERMILION = "#0072B2", "#D55E00"  # of Okabe and Ito, told apart with any colour vision
LEAST_ROOM = 3.0
"""A panel goes from its middle to so many times more and less, so that what is flat looks flat."""
Calls = Mapping[int, Callable[[], object]]


class Law(NamedTuple):
    """cost = factor * size^exponent; error: standard error of the exponent, NaN of two points."""

    exponent: float
    error: float
    factor: float


def power_law(sizes: Sequence[float], costs: Sequence[float]) -> Law:
    """Least squares of log cost over log size.

    Raises:
        ValueError: fewer than two different sizes, or a size or cost that is not above 0.
    """
    if len(set(sizes)) < 2 or min(*sizes, *costs) <= 0:
        raise ValueError(f"no power law through sizes {sizes} and costs {costs}")
    x, y = np.log(sizes), np.log(costs)
    off, spread = x - x.mean(), float(((x - x.mean()) ** 2).sum())
    exponent = float(off @ y) / spread
    start = float(y.mean()) - exponent * float(x.mean())
    rest, free = y - start - exponent * x, len(x) - 2
    error = math.sqrt(float(rest @ rest) / free / spread) if free else math.nan
    return Law(exponent, error, math.exp(start))


@dataclass(frozen=True)
class Growth:
    """One cost.

    Attributes:
        name: of it. axis: what the sizes count.
        medians_ms: of each size, a median a turn.
    """

    name: str
    axis: str
    medians_ms: Mapping[int, Sequence[float]]

    @property
    def law(self) -> Law:
        """Through the medians of all turns."""
        points = [(size, ms) for size, found in self.medians_ms.items() for ms in found]
        return power_law(*zip(*points, strict=True))

    @property
    def title(self) -> str:
        """With the exponent."""
        exponent = round(self.law.exponent, 2) + 0.0  # no -0.00
        return f"{self.name}\nexponent {exponent:.2f} ± {self.law.error:.2f}"

    def data(self) -> dict[str, Any]:
        """For the file; times in ms."""
        law = {key: None if math.isnan(value) else value for key, value in self.law._asdict().items()}
        return {"name": self.name, "axis": self.axis, "medians_ms": self.medians_ms, **law}


def measured(name: str, axis: str, calls: Calls, turns: int, rounds: int) -> Growth:
    """Times of calls by size."""
    found: dict[int, list[float]] = {size: [] for size in calls}
    for _ in range(turns):
        taken = in_turns({str(size): call for size, call in calls.items()}, rounds)
        for size in calls:
            found[size].append(taken[str(size)])
    return Growth(name, axis, found)


def inference(turns: int, rounds: int) -> Iterator[Growth]:
    with torch.inference_mode():
        calls = {count: _policy(count) for count in (1, 2, 3, 4)}
        yield measured("observation to chunk", "cameras", calls, turns, rounds)


def _policy(cameras: int) -> Callable[[], object]:
    task = load_task("place_orange")
    (view,) = task.observation.cameras
    views = tuple(replace(view, name=f"camera_{number}") for number in range(cameras))
    task = replace(task, observation=replace(task.observation, cameras=views))
    policy = new_model(task, 0).eval().requires_grad_(False).policy
    channels_last(policy)
    (observation,) = seen = noise(task, 1)
    backend = choose(policy, ComputeConfig(backends=("torch",)), seen, print).backend
    images, proprio = observation.batch()
    w = torch.randn(1, policy.chunk, policy.action_dim)
    return lambda: backend.act(encode(backend, policy, images, proprio), w)


def bridges(turns: int, rounds: int) -> Iterator[Growth]:
    from tests.benchmarks.scaling_arms import Bridges

    calls = {count: Bridges(count).chunk for count in (1, 2)}
    yield measured("a chunk in the bridges", "arms", calls, turns, rounds)


def learning(turns: int, rounds: int) -> Iterator[Growth]:
    replay = updates.filled(4096)
    calls = {count: _update(count, replay) for count in (2, 3, 5, 10)}
    yield measured("update of SAC", "critics", calls, turns, rounds)


def _update(critics: int, replay: ReplayBuffer) -> Callable[[], object]:
    sac, number = updates.example(critics), itertools.count()
    return lambda: one_update(sac, replay, 0, next(number))


def replay(turns: int, rounds: int) -> Iterator[Growth]:
    buffers = {count: updates.filled(count) for count in TRANSITIONS}
    rng = np.random.default_rng(1)
    new = updates.transition(0, rng)

    def calls(act: Callable[[ReplayBuffer], object]) -> Calls:
        return {count: lambda buffer=buffer: act(buffer) for count, buffer in buffers.items()}

    def sample(buffer: ReplayBuffer) -> object:
        return buffer.gather(rng.integers(0, len(buffer), BATCH))

    def append(buffer: ReplayBuffer) -> object:
        return buffer.append(new)

    axis = "transitions in the replay buffer"
    yield measured(f"sample {BATCH} transitions", axis, calls(sample), turns, rounds)
    yield measured("append one", axis, calls(append), turns, rounds)
    for buffer in buffers.values():
        buffer.remove(0)
    yield measured("append one after one was removed", axis, calls(append), turns, rounds)


PARTS = {"inference": inference, "bridges": bridges, "learning": learning, "replay": replay}


def draw(found: Sequence[Growth], path: Path) -> None:
    """Small multiples, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(3, len(found))
    lines = math.ceil(len(found) / columns)
    size = (3.6 * columns, 3.2 * lines)
    figure, axes = pyplot.subplots(lines, columns, figsize=size, dpi=150, layout="constrained", squeeze=False)
    for panel in axes.flat[len(found) :]:
        panel.set_axis_off()
    for panel, growth in zip(axes.flat, found, strict=False):
        _panel(panel, growth)
    axes.flat[0].legend(frameon=False, fontsize=8)
    figure.savefig(path)
    pyplot.close(figure)


def _panel(panel: Any, growth: Growth) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    sizes, law = np.array(list(growth.medians_ms)), growth.law
    panel.plot(sizes, law.factor * sizes**law.exponent, "--", color=VERMILION, label="power law")
    for size, values in growth.medians_ms.items():
        panel.plot([size] * len(values), values, "o", color=BLUE, alpha=0.6, markersize=5)
    panel.plot([], [], "o", color=BLUE, label="median of a turn")
    values = [ms for found in growth.medians_ms.values() for ms in found]
    middle = math.sqrt(min(values) * max(values))
    room = max(1.6 * math.sqrt(max(values) / min(values)), LEAST_ROOM)
    panel.set(xscale="log", yscale="log", xlabel=growth.axis, ylabel="CPU time, ms")
    panel.set_ylim(middle / room, middle * room)
    panel.set_title(growth.title, fontsize=10)
    panel.xaxis.set_major_locator(FixedLocator(sizes))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.set_xticklabels([f"{size:,}" for size in sizes])
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0,) if room > 10.0 else (1.0, 2.0, 5.0)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.grid(alpha=0.25)
    panel.margins(x=0.12)


def main() -> None:
    """Measure, print, keep and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the numbers and the picture")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=11, help="of each size, in each turn")
    parser.add_argument("--only", nargs="*", default=list(PARTS), choices=list(PARTS))
    args = parser.parse_args()
    use_threads(1)
    fast_matmul()
    args.out.mkdir(parents=True, exist_ok=True)
    about, found = machine(1), []
    for part in args.only:
        for growth in PARTS[part](args.turns, args.rounds):
            print(f"{growth.axis}: {growth.title}".replace("\n", ", "), flush=True)
            found.append(growth)
    data = {"machine": about, "costs": [growth.data() for growth in found]}
    (args.out / "scaling.json").write_text(json.dumps(data, indent=2) + "\n")
    draw(found, args.out / "scaling.png")


if __name__ == "__main__":
    main()
