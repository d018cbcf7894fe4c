"""Find the numbers of the door's demonstrator by the cross-entropy method, or measure what it does.

python -m scripts.adroit_expert search --seed 0  # what was committed; minutes on one core
python -m scripts.adroit_expert measure --clean --episodes 100
python -m scripts.adroit_expert measure --episodes 100  # as the demonstrator fails
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from zprl_core.config import TaskConfig, load_task
from zprl_core.config.benchmark import DemonstratorConfig
from zprl_core.experiments.environments.adroit import AdroitEnvironment
from zprl_core.experiments.environments.adroit_expert import NUMBERS, DoorExpert, DoorNumbers
from zprl_core.experiments.environments.protocol import Expert
from zprl_core.stats import Proportion

# name: (centre, standard deviation) of the first generation. Centres are a person's guess from pictures.
START = {
    "along": (0.03, 0.03),
    "up": (0.0, 0.02),
    "depth": (0.03, 0.03),
    "held_along": (0.0, 0.03),
    "held_up": (0.0, 0.02),
    "hover": (0.06, 0.02),
    "back": (0.06, 0.03),
    "near": (0.03, 0.01),
    "far": (0.1, 0.02),
    "lead": (0.6, 0.2),
    "free": (1.1, 0.1),
    "free_width": (0.25, 0.1),
    "pull": (0.15, 0.08),
    "slack": (0.08, 0.03),
    "side": (0.05, 0.1),
    "roll": (0.0, 0.2),
    "roll_gain": (0.9, 0.15),
    "held_roll": (0.0, 0.3),
    "yaw": (-0.17, 0.15),
    "pitch": (0.0, 0.3),
    "held_pitch": (0.0, 0.3),
    "wide_yaw": (0.0, 0.3),
    "wide_pitch": (0.0, 0.3),
    "open_knuckles": (0.3, 0.3),
    "open_joints": (0.3, 0.3),
    "hook_knuckles": (1.3, 0.3),
    "hook_joints": (1.2, 0.4),
    "thumb_out": (0.0, 0.5),
    "thumb_across": (0.3, 0.4),
    "thumb_bend": (-0.3, 0.5),
    "stiffness": (2.0, 0.5),
    "damping": (0.05, 0.05),
}
LAYOUTS = (10_000, 20_000)
"""Seeds that the search draws from; measured episodes have the seeds from 0 on."""
FLOOR = 0.15
"""Of a spread, as a share of the first: keeps the search from closing before it has found anything."""
STUCK = 0.02
"""rad: a candidate that does not move the door by this in two layouts is not tried on more."""


@dataclass(frozen=True)
class Episode:
    """success, waypoints done, the farthest hinge and latch angles (rad), and the simulator's own return."""

    success: bool
    steps: int
    hinge: float
    latch: float
    reward: float

    @property
    def score(self) -> float:
        """What the search maximises: open, then soon; before that, turn the latch."""
        soon = 2.0 - self.steps / 100 if self.success else 0.0
        return self.hinge / 1.35 + 0.3 * min(self.latch, 1.2) / 1.2 + 0.5 * soon


def play(environment: AdroitEnvironment, expert: Expert, seed: int, horizon: int) -> Episode:
    """One episode, until success."""
    environment.reset(seed)
    hinge = latch = reward = 0.0
    steps = 0
    while steps < horizon:
        steps += 1
        step = environment.step(expert.act(environment.state()))
        state = environment.state()
        reward += step.reward
        hinge, latch = max(hinge, state["hinge_angle"][0]), max(latch, state["latch_angle"][0])
        if step.success:
            break
    return Episode(step.success, steps, hinge, latch, reward)


def clean(task: TaskConfig) -> TaskConfig:
    """The task with a demonstrator that has neither flaw nor noise."""
    assert task.benchmark is not None
    benchmark = dataclasses.replace(task.benchmark, demonstrator=DemonstratorConfig())
    return dataclasses.replace(task, benchmark=benchmark)


def search(task: TaskConfig, seed: int, generations: int, population: int, layouts: int) -> DoorNumbers:
    """The centre of the last generation."""
    environment, rng = AdroitEnvironment(task), np.random.default_rng(seed)
    names = list(START)
    centre, spread = np.array([START[name] for name in names]).T
    least = FLOOR * spread
    for generation in range(generations):
        began = time.monotonic()
        points = centre + spread * rng.standard_normal((population, len(names)))
        seeds = rng.integers(*LAYOUTS, layouts)
        scores = [_score(task, environment, _numbers(names, point), seeds) for point in points]
        elite = points[np.argsort(scores)[-population // 5 :]]
        centre = 0.3 * centre + 0.7 * elite.mean(0)
        spread = np.maximum(0.3 * spread + 0.7 * elite.std(0), least)
        told = f"best {max(scores):.2f} mean {np.mean(scores):.2f}"
        print(f"generation {generation}: {told} in {time.monotonic() - began:.0f} s", flush=True)
    return _numbers(names, centre)


def _numbers(names: list[str], point: NDArray[np.float64]) -> DoorNumbers:
    return DoorNumbers(**{name: round(float(value), 4) for name, value in zip(names, point, strict=True)})


def _score(
    task: TaskConfig, environment: AdroitEnvironment, numbers: DoorNumbers, seeds: NDArray[np.int64]
) -> float:
    episodes: list[Episode] = []
    for seed in seeds:
        expert = DoorExpert(task, np.random.default_rng(seed), numbers)
        episodes.append(play(environment, expert, int(seed), task.horizon_steps))
        if len(episodes) == 2 and max(episode.hinge for episode in episodes) < STUCK:
            break
    return sum(episode.score for episode in episodes) / len(seeds)


def measure(task: TaskConfig, episodes: int, first: int) -> None:
    """Print the success, lengths, returns and pace of the committed expert as the task configures it."""
    environment, began = AdroitEnvironment(task), time.monotonic()
    played = [
        play(environment, DoorExpert(task, np.random.default_rng(seed)), seed, task.horizon_steps)
        for seed in range(first, first + episodes)
    ]
    took, steps = time.monotonic() - began, sum(episode.steps for episode in played)
    wins = [episode for episode in played if episode.success]
    rate = Proportion(len(wins), episodes)
    low, high = rate.wilson()
    print(f"success {rate.rate:.2f} ({len(wins)}/{episodes}, Wilson 95 % {low:.2f} to {high:.2f})")
    print(f"waypoints to success: mean {np.mean([episode.steps for episode in wins]):.1f}")
    print(f"return until success: mean {np.mean([episode.reward for episode in wins]):.1f}")
    print(f"failed: {[first + at for at, episode in enumerate(played) if not episode.success]}")
    print(f"{steps / took:.0f} waypoints/s with the expert")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    finder = commands.add_parser("search")
    finder.add_argument("--seed", type=int, default=0)
    finder.add_argument("--generations", type=int, default=18)
    finder.add_argument("--population", type=int, default=40)
    finder.add_argument("--layouts", type=int, default=6)
    finder.add_argument("--out", type=Path, default=NUMBERS)
    measurer = commands.add_parser("measure")
    measurer.add_argument("--task", default="door_state")
    measurer.add_argument("--episodes", type=int, default=50)
    measurer.add_argument("--first", type=int, default=0, help="seed of the first layout")
    measurer.add_argument("--clean", action="store_true", help="without flaw and noise")
    given = parser.parse_args()
    if given.command == "measure":
        task = load_task(given.task)
        measure(clean(task) if given.clean else task, given.episodes, given.first)
        return
    task = clean(load_task("door_state"))
    found = search(task, given.seed, given.generations, given.population, given.layouts)
    head = "# Found by scripts/adroit_expert.py; the meanings are in adroit_expert.py (DoorNumbers).\n"
    given.out.write_text(head + yaml.safe_dump(dataclasses.asdict(found), sort_keys=False))


if __name__ == "__main__":
    main()
