"""The synchronous learner: a transition goes in, the owed updates run, an actor version comes out.

What makes a run repeatable and resumable: every transition is in the record log before it is learned
from, and every draw is a function of (seed, number of the update). A checkpoint therefore needs no replay
buffer and no random state: the log up to the checkpoint's count of records rebuilds the first, the counter of
updates is the second.

The actor's version is the number of log records behind it. It grows with every answered transition, whether
or not updates ran (warm-up, excluded transitions), so that a policy knows which version to wait for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from zprl_core import checkpoint, record_log
from zprl_core.errors import CheckpointError, ConfigError, DataError
from zprl_core.inference.backend import Notice
from zprl_core.record_log import RecordLog
from zprl_core.rl import weights
from zprl_core.rl.captured import Update, updater
from zprl_core.rl.replay import ReplayBuffer
from zprl_core.rl.sac import SAC
from zprl_core.rl.transition import REWARDS, TERMINAL, Transition, outcome_of
from zprl_core.rl.updates import draw, seeded
from zprl_core.runtime import steering_dim

if TYPE_CHECKING:
    from zprl_core.base import BaseModel
    from zprl_core.config import TaskConfig
    from zprl_core.provenance import Provenance

KIND = "learner"
_NONE = -1
_REPLACED = "was the base policy's checkpoint replaced? Give the one that the run was started with"
CHECKPOINT = Path("checkpoints/learner.ckpt")
"""In a run folder."""


@dataclass(frozen=True)
class LatentSpec:
    """What a learner needs to know of the frozen policy, and how far it is steered.

    c_mean, c_std: float32 (c_dim,), moments of c over the demonstrations. dim: of z, or of the flat action
    chunk in its place. lambda_: eq. (7). base: `BaseModel.digest` of the policy; empty: not known.
    """

    c_mean: NDArray[np.float32]
    c_std: NDArray[np.float32]
    dim: int
    lambda_: float
    base: str = ""

    @classmethod
    def of(cls, model: BaseModel, task: TaskConfig) -> LatentSpec:
        """That of a model on the CPU, for this task's `rl.steering` and lambda.

        Raises:
            ConfigError: the task has no lambda.
        """
        if task.rl.lambda_ is None:
            raise ConfigError(f"task {task.name}: rl.lambda is null; a run's own task file has a number")
        moments = model.bottleneck.c_mean.numpy(), model.bottleneck.c_std.numpy()
        return cls(*moments, steering_dim(model, task), task.rl.lambda_, model.digest())


@dataclass
class Counters:
    """What a learner has done so far; `unsettled` is the episode whose ending waits for `settle`."""

    records: int = 0
    transitions: int = 0
    excluded: int = 0
    corrected: int = 0
    updates: int = 0
    owed: int = 0
    burst_done: bool = False
    episode_chunks: int = 0
    unsettled: int = _NONE


class Correction(NamedTuple):
    """A label that was changed after its ending was logged.

    Attributes:
        episode, chunk: the ending.
        before, outcome: old and new.
        updates: the ones made with the old label: numbers from the first to before the second.
    """

    episode: int
    chunk: int
    before: str
    outcome: str
    updates: tuple[int, int]


class _Ending(NamedTuple):
    row: int
    outcome: str
    updates: int
    removed: bool = False


class Learner:
    """SAC, its replay buffer and its log.

    Args:
        task: rl settings, kind of reward. latent: see there. seed: of the run. log: open for appending; a log
            that already holds records is first replayed with `replay_log`, or after `load`.
        provenance: of the run, for its checkpoints; None: not known.
        device: "cpu" or "cuda". notice: told in one line what becomes of "cuda".
    """

    def __init__(
        self,
        task: TaskConfig,
        latent: LatentSpec,
        seed: int,
        log: RecordLog,
        provenance: Provenance | None = None,
        device: str = "cpu",
        notice: Notice = lambda _: None,
    ) -> None:
        self.task, self.latent, self.seed, self.log = task, latent, seed, log
        self.provenance, self._device, self._notice = provenance, device, notice
        self.metrics: dict[str, float] = {}
        self.update_s = 0.0
        self._start_from_nothing()

    def _start_from_nothing(self) -> None:
        self.sac = new_sac(self.task, self.latent, self.seed)
        self._update: Update | None = None
        self._forget_records()

    def _forget_records(self) -> None:
        self.replay = ReplayBuffer(self.latent.c_mean, self.latent.c_std, self.latent.dim)
        self.counters = Counters()
        self._seen: set[tuple[int, int]] = set()
        self._endings: dict[tuple[int, int], _Ending] = {}  # those that are learned from
        self.corrections: list[Correction] = []

    @property
    def version(self) -> int:
        """Of the actor: records of the log that it has seen."""
        return self.counters.records

    @property
    def device(self) -> str:
        """Where updates are computed: "cpu", also where "cuda" was asked for and refused, or "cuda"."""
        return self.sac.log_alpha.device.type

    def prepare(self) -> None:
        """Before the first episode: what a GPU needs for its first update takes longer than a chunk."""
        if self._device != "cuda" or self._update is not None:
            return
        like = ReplayBuffer(self.latent.c_mean, self.latent.c_std, self.latent.dim)
        rng, (c_dim, dim) = np.random.default_rng(0), (len(self.latent.c_mean), self.latent.dim)
        c, c_next = rng.standard_normal((2, c_dim), np.float32)
        z, z_tilde, z_next = rng.standard_normal((3, dim), np.float32)
        like.append(Transition(0, 0, c, z, z_tilde, 0.0, False, False, c_next, z_next))
        self._update = updater(self.sac, self._device, *draw(self.sac, like, self.seed, 0), self._notice)

    def actor_bytes(self) -> bytes:
        """The actor's weights, float32 little endian."""
        return weights.to_bytes(self.sac.actor)

    def update(self, transition: Transition) -> int:
        """Log a transition, learn from it, and return the actor's new version.

        An episode's ending is logged at once and learned from by `settle`: its label may yet be undone. A
        transition that is already logged (a request that was sent again) changes nothing.

        Raises:
            DataError: numbers that are not finite, or arrays of another length, and nothing is logged then;
                or the updates have left weights that are not finite.
        """
        self._check(transition)
        if (transition.episode, transition.chunk) in self._seen:
            return self.version
        self.settle()
        self._log({"kind": "transition", **asdict(transition)})
        return self.version

    def settle(self) -> int:
        """The label of the last ending is final: make the updates that it owes, if it still owes any."""
        if self.counters.unsettled != _NONE:
            self._log({"kind": "settled", "episode": self.counters.unsettled})
        return self.version

    def correct(self, episode: int, chunk: int, outcome: str) -> Correction | None:
        """The label of an ending was another one; a void one is taken out of the buffer.

        Returns:
            The correction, with the updates that were made with the old label and stay; None where nothing
            was to be changed: it is so already, or that ending was never learned from.
        """
        ending = self._endings.get((episode, chunk))
        if ending is None or ending.outcome in ("void", outcome):
            return None
        self._log({"kind": "correction", "episode": episode, "chunk": chunk, "outcome": outcome})
        return self.corrections[-1]

    def replay_log(self) -> Iterator[int]:
        """Apply the log's records that this learner has not seen, as if they came in now; yields versions."""
        for number, (_, record) in enumerate(record_log.read(self.log.path), start=1):
            if number > self.counters.records:
                self._apply(record)
                yield self.version

    def save(self, path: Path) -> None:
        """Write a checkpoint: networks, optimisers, temperature, counters, and where in the log it stands.

        Raises:
            DataError: weights are not finite; the last checkpoint is left as it is.
        """
        self._require_finite(self.sac)
        self.log.flush()  # or a power cut could leave a log that is shorter than the checkpoint says
        state = {
            "sac": self.sac.state_dict(),
            "optimizers": {name: o.state_dict() for name, o in self.sac.optimizers.items()},
            "counters": asdict(self.counters),
            "seed": self.seed,
            "lambda": self.latent.lambda_,
            "dim": self.latent.dim,
            "base": self.latent.base,
            "c_mean": torch.from_numpy(self.latent.c_mean.copy()),
            "c_std": torch.from_numpy(self.latent.c_std.copy()),
            "metrics": self.metrics,
        }
        checkpoint.save(path, KIND, self.task.to_dict(), state, self.provenance)

    def load(self, path: Path) -> None:
        """Take over a checkpoint's state and rebuild the replay buffer from the log up to there.

        Records behind it stay unseen: `replay_log` applies them, `forget_episodes_after` drops them.

        Raises:
            CheckpointError: see `checkpoint.load`; another seed, lambda or base policy; a log that is shorter
                than the checkpoint says.
        """
        state = checkpoint.load(path, KIND).state
        for key, mine in (("seed", self.seed), ("lambda", self.latent.lambda_), ("dim", self.latent.dim)):
            if state[key] != mine:
                raise CheckpointError(f"{path}: {key} is {state[key]}, this run has {mine}")
        _check_base(path, state, self.latent.base)
        for key, moments in (("c_mean", self.latent.c_mean), ("c_std", self.latent.c_std)):
            if not np.array_equal(state[key].numpy(), moments):
                raise CheckpointError(f"{path}: {key} is another one; {_REPLACED}")
        self.sac.load_state_dict(state["sac"])
        for name, optimizer in self.sac.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self._update = None
        self.metrics = dict(state["metrics"])
        self._rebuild(path, Counters(**state["counters"]))

    def forget_episodes_after(self, episode: int) -> None:
        """Cut the log behind this episode's last record (-1: forget everything); for a run that repeats them.

        If this learner has already seen a forgotten record it starts from nothing, and `replay_log` brings it
        back to the log's end: slower than a checkpoint, and just as exact.
        """
        keep, count = self._until(episode)
        self.log.truncate_to(keep)
        if self.counters.records > count:
            self._start_from_nothing()

    def has_seen_after(self, episode: int) -> bool:
        """Whether `forget_episodes_after` would make it start from nothing, without its checkpoint."""
        return self.counters.records > self._until(episode)[1]

    def _until(self, episode: int) -> tuple[int, int]:
        """Where the log's records of this episode, and those before, end: bytes, and how many there are."""
        keep, count = len(record_log.MAGIC), 0
        for end, record in record_log.read(self.log.path):
            if record["episode"] > episode:
                break
            keep, count = end, count + 1
        return keep, count

    def _rebuild(self, path: Path, counters: Counters) -> None:
        self._forget_records()
        for number, (_, record) in enumerate(record_log.read(self.log.path), start=1):
            if number > counters.records:
                break
            self.counters.updates += self._take(record)  # not made again, yet corrections tell their numbers
        if self.counters.records != counters.records:
            raise CheckpointError(
                f"{path} has seen {counters.records} records, but {self.log.path} holds only "
                f"{self.counters.records}; resume from an earlier checkpoint"
            )
        self.counters = counters

    def _log(self, record: Mapping[str, Any]) -> None:
        self.log.append(record)
        self._apply(record)

    def _apply(self, record: Mapping[str, Any]) -> None:
        """Take a record up and make the updates that it owes."""
        self._run_updates(self._take(record))

    def _take(self, record: Mapping[str, Any]) -> int:
        """Take a record up; how many updates it owes."""
        learned, settled = self._store(record), record["kind"] == "settled"
        if self.counters.transitions <= self.task.rl.warmup_chunks:
            return 0
        return (self._updates_owed() if learned else 0) + (self._extra_updates() if settled else 0)

    def _store(self, record: Mapping[str, Any]) -> bool:
        """Take a record up; True where a further transition, its outcome final, is to be learned from."""
        self.counters.records += 1
        match record["kind"]:
            case "transition":
                return self._store_transition(Transition(**{k: v for k, v in record.items() if k != "kind"}))
            case "correction":
                self._store_correction(record["episode"], record["chunk"], record["outcome"])
                return False
            case _:
                self.counters.unsettled = _NONE
                return any(
                    key[0] == record["episode"] and not ending.removed
                    for key, ending in self._endings.items()
                )

    def _store_transition(self, transition: Transition) -> bool:
        key = (transition.episode, transition.chunk)
        self._seen.add(key)
        if transition.chunk == 0:
            self.counters.episode_chunks = 0  # what a void episode left
        if transition.last:
            self.counters.unsettled = transition.episode
        if transition.excluded:
            self.counters.excluded += 1
            return False
        self.counters.transitions += 1
        row = self.replay.append(transition)
        if transition.last:
            self._endings[key] = _Ending(row, outcome_of(transition), self.counters.updates)
        return not transition.last

    def _store_correction(self, episode: int, chunk: int, outcome: str) -> None:
        """A void ending is taken out, and so is a horizon behind which nothing was observed."""
        ending, updates = self._endings[episode, chunk], self.counters.updates
        self.counters.corrected += 1
        removed = outcome == "void" or (outcome == "horizon" and not self.replay.looks_ahead(ending.row))
        if removed and not ending.removed:
            self.replay.remove(ending.row)
        elif ending.removed and not removed:
            self.replay.restore(ending.row)
        self.counters.transitions += ending.removed - removed
        if not removed:
            self.replay.correct(ending.row, REWARDS[outcome], outcome in TERMINAL)
        made = (ending.updates, updates)
        self.corrections.append(Correction(episode, chunk, ending.outcome, outcome, made))
        self._endings[episode, chunk] = _Ending(ending.row, outcome, updates, removed)

    def _updates_owed(self) -> int:
        """Of a transition: UTD updates; once, those that the warm-up skipped."""
        rl, counters = self.task.rl, self.counters
        owed = rl.utd
        if rl.catch_up_burst and not counters.burst_done:
            owed += rl.utd * rl.warmup_chunks
        counters.burst_done = True
        counters.episode_chunks += 1
        return owed

    def _extra_updates(self) -> int:
        """Of an episode that is over: the extra ones, whether its ending is learned from or not."""
        chunks, self.counters.episode_chunks = self.counters.episode_chunks, 0
        return self.task.rl.extra_utd * chunks

    def _run_updates(self, count: int) -> None:
        start = time.perf_counter()
        last: dict[str, torch.Tensor] = {}
        for _ in range(count):
            last = self._one_update()
        if count:
            self.metrics = {name: value.item() for name, value in last.items()}
            self._require_finite(self.sac.actor)
            self.update_s = (time.perf_counter() - start) / count

    def _require_finite(self, part: torch.nn.Module) -> None:
        """
        Raises:
            DataError: the networks have diverged: a metric of the last update or a weight of this part.
        """
        told = [name for name, value in self.metrics.items() if not math.isfinite(value)]
        if told or not all(torch.isfinite(each).all() for each in part.parameters()):
            what = ", ".join(told) or "a weight"
            raise DataError(
                f"after {self.counters.updates} updates {what} is not finite: the networks have diverged and "
                "are not kept. Lower the rates or rl.lambda, or set rl.clamp_targets, and start a new run; "
                "the transitions are in the log"
            )

    def _one_update(self) -> dict[str, torch.Tensor]:
        drawn = draw(self.sac, self.replay, self.seed, self.counters.updates)
        if self._update is None:
            self._update = updater(self.sac, self._device, *drawn, self._notice)
        metrics = self._update(*drawn)
        self.counters.updates += 1
        return metrics

    def _check(self, transition: Transition) -> None:
        where = f"transition of episode {transition.episode}, chunk {transition.chunk}"
        lengths = {"c": len(self.latent.c_mean), "c_next": len(self.latent.c_mean)}
        for name in ("c", "z", "z_tilde", "c_next", "z_next"):
            array = getattr(transition, name)
            if array.shape != (lengths.get(name, self.latent.dim),):
                wanted = lengths.get(name, self.latent.dim)
                raise DataError(f"{where}: {name} has shape {array.shape}, this learner needs ({wanted},)")
            if not np.isfinite(array).all():
                raise DataError(f"{where}: {name} is not finite")
        if not np.isfinite(transition.reward):
            raise DataError(f"{where}: reward is {transition.reward}")


def new_sac(task: TaskConfig, latent: LatentSpec, seed: int) -> SAC:
    """SAC on the latent with initial weights that depend on the seed alone."""
    sizes = len(latent.c_mean), latent.dim
    return seeded(seed, lambda: SAC(*sizes, latent.lambda_, task.rl, task.dense_reward))


def learned_transitions(run: Path) -> int:
    """How many transitions a run's checkpoint has learned from; its kept states are numbered so.

    Raises:
        CheckpointError: see `checkpoint.load`.
    """
    counters = checkpoint.load(run / CHECKPOINT, KIND).state["counters"]
    return int(counters["transitions"])


def load_actor(path: Path, task: TaskConfig, base: str = "") -> tuple[int, bytes]:
    """Version and weights of a trained actor, for `PolicyRuntime.set_actor`.

    Args:
        path: a learner's checkpoint, or a run folder with one.
        task: what it is to be used for; a lambda in it must be the actor's.
        base: `BaseModel.digest` of the policy that it is to steer; empty: not known.

    Raises:
        CheckpointError: see `checkpoint.load`; another task, lambda or base policy.
    """
    path = path / CHECKPOINT if path.is_dir() else path
    data = checkpoint.load(path, KIND)
    checkpoint.require_same_task(path, data.task_config(), task)
    state = data.state
    _check_base(path, state, base)
    latent = LatentSpec(state["c_mean"].numpy(), state["c_std"].numpy(), state["dim"], state["lambda"])
    if (learned := data.task_config().rl.steering) != task.rl.steering:
        raise CheckpointError(
            f"{path}: its actor steers by rl.steering: {learned}, the task at hand by {task.rl.steering}"
        )
    if task.rl.lambda_ not in (None, latent.lambda_):
        raise CheckpointError(f"{path}: lambda is {latent.lambda_}, the task at hand has {task.rl.lambda_}")
    sac = new_sac(data.task_config(), latent, 0)
    sac.load_state_dict(state["sac"])
    return state["counters"]["records"], weights.to_bytes(sac.actor)


def _check_base(path: Path, state: Mapping[str, Any], base: str) -> None:
    """A latent means something for one policy and bottleneck only. Older checkpoints do not know theirs."""
    learned = state.get("base", "")
    if learned and base and learned != base:
        raise CheckpointError(f"{path}: learned to steer base policy {learned}, this is {base}; {_REPLACED}")
