# SPDX-License-Identifier: Apache-2.0
"""Whether a policy may be replayed on a bag, and what a reader has to know where it may."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from zprl_core.data.problems import refuse
from zprl_core.data.recording import Recording
from zprl_core.policy.normalizer import Normalizer
from zprl_core.replay.episodes import ReplayEpisode
from zprl_core.replay.policies import ReplayPolicy
from zprl_core.runtime import PolicyRuntime

ACTION_MARGIN = 0.2
"""How far, in half ranges, executed actions may lie outside of the demonstrations' before it is noted."""
PROPRIO_LIMIT = 5.0
"""The same for proprioception, in what its normaliser scales by."""
SHARE = 0.05
"""Share of the samples from which on it is noted."""


def require_task(recording: Recording, policy: ReplayPolicy) -> None:
    """Refuse a bag of another task, or pictures or vectors of other sizes.

    Raises:
        BadBagError: what does not fit.
    """
    task, of = policy.task, recording.label.get("task", "")
    if of and of != task.name:
        text = f"was recorded for task {of}, the policy {policy.name} is of task {task.name}"
        raise refuse("task", f"{text}: what one executed says nothing of what the other plans")
    for view in task.observation.cameras:
        for sample in recording.cameras[view.name].samples[:1]:
            if sample.shape[:2] != (view.height, view.width):
                seen, wanted = "x".join(map(str, sample.shape[:2])), f"{view.height}x{view.width}"
                raise refuse("stream", f"camera {view.name}: pictures of {seen}, the policy needs {wanted}")
    for vector in recording.proprioception.samples[:1]:
        if len(vector) != task.observation.proprio_dim:
            raise refuse(
                "stream",
                f"/proprioception has {len(vector)} numbers, the policy needs {task.observation.proprio_dim}",
            )


class NormaliserCheck:
    """Counts how often numbers of bags lie far outside of what a policy was fitted to.

    Args:
        runtime: of the policy.
    """

    def __init__(self, runtime: PolicyRuntime) -> None:
        policy = runtime.model.policy
        self._parts = {
            "executed actions": _Outside(policy.actions, 1.0 + ACTION_MARGIN),
            "proprioception": _Outside(policy.proprioception, PROPRIO_LIMIT),
        }

    def add(self, episodes: Iterable[ReplayEpisode], recording: Recording) -> None:
        """Take in a bag."""
        executed = [
            moment.executed for each in episodes for moment in each.moments if moment.executed is not None
        ]
        if executed:
            self._parts["executed actions"].add(np.concatenate(executed))
        if len(recording.proprioception):
            self._parts["proprioception"].add(np.stack(recording.proprioception.samples))

    def notes(self) -> list[str]:
        """What a reader has to know; nothing where all fits."""
        return [f"{what}: {said}" for what, part in self._parts.items() if (said := part.said())]


class _Outside:
    def __init__(self, normalizer: Normalizer, limit: float) -> None:
        self._normalizer, self._limit = normalizer, limit
        self._beyond, self._rows = np.zeros(len(normalizer.offset)), 0

    def add(self, rows: NDArray[np.float64]) -> None:
        with torch.no_grad():
            away = self._normalizer(torch.from_numpy(rows.astype(np.float32))).abs().numpy()
        self._beyond += (away > self._limit).sum(axis=0)
        self._rows += len(rows)

    def said(self) -> str:
        shares = self._beyond / max(self._rows, 1)
        columns = [f"{number} ({share:.0%})" for number, share in enumerate(shares) if share > SHARE]
        if not columns:
            return ""
        return (
            f"numbers {', '.join(columns)} lie far outside of the policy's demonstrations "
            f"(beyond {self._limit:g} of its normaliser's scale): errors and Q say little here"
        )
