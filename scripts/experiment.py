"""What the experiment scripts share: a simulated rig in this process, and measured success rates."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import torch

from scripts.inprocess import InProcess
from zprl_core.agent import EpisodeAgent
from zprl_core.arithmetic import fast_matmul
from zprl_core.base import load_base
from zprl_core.config import TaskConfig, load_rig
from zprl_core.record_log import RecordLog
from zprl_core.rl.learner import LatentSpec, Learner
from zprl_core.runtime import PolicyRuntime
from zprl_core.session.layouts import layout_seed
from zprl_core.stats import Proportion

RIG = "sim_xarm6"


class Experiment:
    """A base policy on the simulated rig, with a learner of its own.

    Args:
        base: checkpoint. lambda_: perturbation scale. seed: of layouts and all noise.
        settings: other values of the task's `rl` section.
    """

    def __init__(
        self, base: Path, lambda_: float, seed: int, settings: dict[str, object] | None = None
    ) -> None:
        torch.set_num_threads(1)
        fast_matmul()
        model, task, _ = load_base(base)
        rl = dataclasses.replace(task.rl, lambda_=lambda_, **(settings or {}))  # type: ignore[arg-type]
        self.task: TaskConfig = dataclasses.replace(task, rl=rl)
        self.seed, self.episode = seed, 0
        self.runtime = PolicyRuntime(model, self.task, lambda_)
        self._folder = tempfile.TemporaryDirectory()
        latent = LatentSpec.of(model, self.task)
        log = RecordLog(Path(self._folder.name) / "transitions.log")
        self.learner = Learner(self.task, latent, seed, log)
        self._loops = {learns: self._loop(learns) for learns in (True, False)}

    def measure(self, mode: str, episodes: int, kind: str = "evaluation", first: int = 0) -> Proportion:
        """Success rate over a stretch of layouts; "steer" uses the actor that the runtime holds."""
        wins = sum(self.run(mode, kind, first + index) for index in range(episodes))
        return Proportion(wins, episodes)

    def run(self, mode: str, kind: str, index: int) -> bool:
        """One episode on the layout of (seed, kind, index); whether it succeeded."""
        self.episode += 1
        loop = self._loops[mode == "explore"]
        self.last = loop.run(self.episode, mode, layout_seed(self.seed, kind, index))
        return self.last.outcome == "success"

    def take_actor(self) -> None:
        """Let "steer" use the learner's actor."""
        self.runtime.set_actor(self.learner.version, self.learner.actor_bytes())

    def _loop(self, learns: bool) -> InProcess:
        agent = EpisodeAgent(
            self.runtime,
            self.seed,
            lockstep=True,
            max_chunks=self.task.chunks_per_episode,
            learner=learns,
        )
        return InProcess(load_rig(RIG), self.task, agent, self.learner if learns else None)


def text(p: Proportion) -> str:
    """A success rate with its interval and its episodes."""
    low, high = p.wilson()
    return f"{p.rate:.3f} [{low:.3f}, {high:.3f}] (n = {p.trials})"
