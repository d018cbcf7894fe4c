# SPDX-License-Identifier: Apache-2.0
"""One update of SAC at the paper's sizes, beside Stable-Baselines3's: 4 x 256, batches of 256, sampling too.

The peer's observation is c and its action dz; ours values z~ and its actor sees z beside c, which makes it a
little larger. Both keep their temperature.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from zprl_core.bench.rows import Row, TimesAsFast
from zprl_core.bench.turns import in_turns, rate
from zprl_core.config import load_task
from zprl_core.rl.captured import CapturedUpdate
from zprl_core.rl.replay import ReplayBuffer
from zprl_core.rl.sac import SAC
from zprl_core.rl.transition import Transition
from zprl_core.rl.updates import draw, one_update, seeded

C_DIM, DIM, FILLED = 270, 16, 4096
CRITICS = (2, 5, 10)
WANTED = {2: TimesAsFast(2.2), 10: TimesAsFast(1.3)}
INSTALL = "pip install -e '.[bench]'"
SHIPPED, FLAGGED = "Stable-Baselines3", "Stable-Baselines3, same product flag"


def rows(rounds: int, notice: Callable[[str], None]) -> Iterator[Row]:
    """Ensembles of each size; `notice` is told where there is no peer."""
    if importlib.util.find_spec("stable_baselines3") is None:
        notice(f"updates: {SHIPPED} is not installed: {INSTALL}")
    for critics in CRITICS:
        yield from _rows(critics, rounds)


def _rows(critics: int, rounds: int) -> Iterator[Row]:
    sac, replay = example(critics), filled(FILLED)
    theirs = _theirs(critics)
    number = iter(range(10**9))

    def call(run: Callable[[], object], precision: str) -> Callable[[], object]:
        def made() -> object:
            torch.set_float32_matmul_precision(precision)
            return run()

        return made

    flag = torch.get_float32_matmul_precision()  # what `fast_matmul` found to be accurate here
    calls = {"ours": call(lambda: one_update(sac, replay, 0, next(number)), flag)}
    if theirs is not None:
        calls |= {SHIPPED: call(theirs, "highest"), FLAGGED: call(theirs, flag)}
    taken = in_turns(calls, rounds)
    torch.set_float32_matmul_precision(flag)
    limit_ms = multiply_adds(sac) / rate() * 1e3
    for peer in (SHIPPED, FLAGGED):
        wanted = WANTED.get(critics) if (peer == SHIPPED) == (critics == 2) else None
        yield Row(
            f"SAC update, {critics} critics",
            "batched ensemble fp32",
            taken["ours"],
            peer,
            taken.get(peer, math.nan),
            wanted,
            limit_ms,
        )
    if torch.cuda.is_available():
        yield _on_gpu(critics, rounds)


def _on_gpu(critics: int, rounds: int) -> Row:
    """The captured update beside the peer's on the same GPU. Nothing is promised: there was none."""
    sac, replay, number = example(critics), filled(FILLED), iter(range(10**9))
    update = CapturedUpdate(sac, *draw(sac, replay, 0, 0))
    theirs = _theirs(critics, "cuda")
    calls: dict[str, Callable[[], object]] = {
        "ours": lambda: update(*draw(sac, replay, 0, next(number))),
        **({} if theirs is None else {SHIPPED: theirs}),
    }
    taken = in_turns(calls, rounds)
    title, peer = f"SAC update, {critics} critics", f"{SHIPPED} on the GPU"
    return Row(title, "CUDA graph fp32", taken["ours"], peer, taken.get(SHIPPED, math.nan))


def multiply_adds(sac: SAC) -> int:
    """Of an update. A pass backwards costs two, but one where only its input's gradient is wanted. So the
    critics are gone through 3 times for eq. (10), 2 for eq. (9) and 1 for eq. (11), where two may do, the
    actor 3 times and 1.
    """
    rl = sac.config
    following = 2 / rl.critics if rl.target_aggregation == "min_of_random_two" else 1.0
    critics = sum(p.numel() for n, p in sac.critics.named_parameters() if n.endswith("weight"))
    actor = sum(p.numel() for n, p in sac.actor.named_parameters() if n.endswith("weight"))
    return round(rl.batch_size * ((5 + following) * critics + 4 * actor))


def example(critics: int) -> SAC:
    """The paper's agent for Place Orange with so many critics."""
    rl = dataclasses.replace(load_task("place_orange").rl, critics=critics)
    return seeded(0, lambda: SAC(C_DIM, DIM, 0.2, rl))


def filled(count: int) -> ReplayBuffer:
    """A replay buffer with so many transitions of noise."""
    rng = np.random.default_rng(0)
    replay = ReplayBuffer(np.zeros(C_DIM, np.float32), np.ones(C_DIM, np.float32), DIM)
    for chunk in range(count):
        replay.append(transition(chunk, rng))
    return replay


def transition(chunk: int, rng: np.random.Generator) -> Transition:
    """One of noise."""
    c, c_next = rng.standard_normal((2, C_DIM), np.float32)
    z, z_tilde, z_next = rng.standard_normal((3, DIM), np.float32)
    return Transition(0, chunk, c, z, z_tilde, 0.0, False, False, c_next, z_next)


def _theirs(critics: int, device: str = "cpu") -> Callable[[], object] | None:
    """One of its updates; None where it is not installed."""
    try:
        library = importlib.import_module("stable_baselines3")
        spaces = importlib.import_module("gymnasium").spaces
    except ImportError:
        return None
    gymnasium: Any = importlib.import_module("gymnasium")

    class Nothing(gymnasium.Env):  # type: ignore[misc]
        observation_space = spaces.Box(-10.0, 10.0, (C_DIM,), np.float32)
        action_space = spaces.Box(-1.0, 1.0, (DIM,), np.float32)

        def reset(self, **_: Any) -> tuple[np.ndarray, dict[str, Any]]:
            return self.observation_space.sample(), {}

        def step(self, _: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            return self.observation_space.sample(), 0.0, False, False, {}

    model = library.SAC(
        "MlpPolicy",
        Nothing(),
        batch_size=256,
        buffer_size=FILLED,
        learning_starts=0,
        train_freq=FILLED,
        gradient_steps=0,
        device=device,
        policy_kwargs={"net_arch": [256] * 4, "n_critics": critics, "activation_fn": nn.GELU},
    )
    model.learn(FILLED)
    return lambda: model.train(gradient_steps=1, batch_size=256)
