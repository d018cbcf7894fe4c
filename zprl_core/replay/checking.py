# SPDX-License-Identifier: Apache-2.0
"""Whether a policy may be replayed on a bag, and what a reader has to know where it may."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from zprl_core.data.problems import refuse
from zprl_core.data.recording import Recording
from zprl_core.policy.normalizer import Normalizer
from zprl_core.provenance import Provenance, compare
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


def cell_note(recording: Recording, policy: ReplayPolicy, trained: Provenance | None, lockstep: bool) -> str:
    """What there is to know where policy and bag come from different cells; empty where nothing is.

    Raises:
        CheckpointError: a delay of the same rig is another one by more than half a tick.
    """
    now = Provenance.of(recording.rig, policy.task, lockstep=lockstep)
    return compare(policy.name, trained, now, policy.task.tick_s)


def normaliser_notes(
    runtime: PolicyRuntime, episodes: Iterable[ReplayEpisode], recording: Recording
) -> list[str]:
    """Where a bag's numbers lie outside of what the policy's normalisers were fitted to."""
    model, found = runtime.model.policy, list[str]()
    executed = [
        moment.executed for each in episodes for moment in each.moments if moment.executed is not None
    ]
    if executed:
        away = _normalised(model.actions, np.concatenate(executed))
        found += _outside("executed actions", away, 1.0 + ACTION_MARGIN)
    vectors = recording.proprioception.samples
    if len(vectors):
        away = _normalised(model.proprioception, np.stack(vectors))
        found += _outside("proprioception", away, PROPRIO_LIMIT)
    return found


def _normalised(normalizer: Normalizer, rows: NDArray[np.float64]) -> NDArray[np.float32]:
    with torch.no_grad():
        return np.asarray(normalizer(torch.from_numpy(rows.astype(np.float32))).numpy())


def _outside(what: str, rows: NDArray[np.float32], limit: float) -> Sequence[str]:
    shares = (np.abs(rows) > limit).mean(axis=0)
    columns = [f"{number} ({share:.0%})" for number, share in enumerate(shares) if share > SHARE]
    if not columns:
        return []
    return [
        f"{what}: numbers {', '.join(columns)} lie far outside of the policy's demonstrations "
        f"(beyond {limit:g} of its normaliser's scale): errors and Q say little here"
    ]
