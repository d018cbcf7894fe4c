# SPDX-License-Identifier: Apache-2.0
"""What replayed chunks say of a policy: beside what was done, the offline latents, and another policy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import beta

from zprl_core.actions import ActionCodec
from zprl_core.base import BaseModel
from zprl_core.config import TaskConfig
from zprl_core.planned import Plan
from zprl_core.policy_modes import STEERED
from zprl_core.replay.critics import Critics
from zprl_core.replay.episodes import Moment, PlannedBefore, ReplayEpisode
from zprl_core.replay.plans import Planned
from zprl_core.rl.transition import REWARDS, TERMINAL
from zprl_core.runtime import PolicyRuntime
from zprl_core.steering.guard import GuardValues, measure, rms

Array = NDArray[np.float64]
FAR_SHARE = 0.01
"""Share of the offline latents beyond `far`, see `LatentDistribution`."""


@dataclass(frozen=True)
class ActionError:
    """Distance between two action chunks, over their waypoints and arms: mean and largest.

    position_m: between the tool's positions. rotation_rad: angle between its orientations. gripper_m: between
    the widths; NaN without a gripper. For an action that is no pose, position_m is the distance of the raw
    numbers and the others are NaN.
    """

    position_m: float
    position_max_m: float
    rotation_rad: float
    rotation_max_rad: float
    gripper_m: float
    gripper_max_m: float


UNKNOWN = ActionError(*[math.nan] * 6)


def action_error(
    codec: ActionCodec, actions: NDArray[np.floating], others: NDArray[np.floating]
) -> ActionError:
    """Distance between two chunks (H, da) in physical units."""
    if codec.rotation == "none":
        away = np.linalg.norm(np.asarray(actions, np.float64) - others, axis=1)
        return ActionError(float(away.mean()), float(away.max()), *[math.nan] * 4)
    apart = [each if each.size else np.array([math.nan]) for each in codec.apart(actions, others)]
    return ActionError(*[float(number) for each in apart for number in (each.mean(), each.max())])


@dataclass(frozen=True)
class ChunkRow:
    """One replayed chunk.

    Attributes:
        source, episode, chunk: which.
        block, recorded_mode, outcome: of the episode when it was recorded; outcome is empty where unknown.
        mode: path of the policy in the replay.
        at_s: time of the first waypoint, from the episode's first chunk, s.
        error: planned now against what was executed; NaN where that is not known.
        dz_rms: of dz.
        scale: of lambda.
        rms_ratio, mahalanobis, displacement: see `GuardValues`; mahalanobis is of z~.
        mahalanobis_z: the same of z, which tells how far the observation is from the demonstrations.
        q: of every critic; empty without critics.
        value: discounted reward that followed; NaN where the episode neither succeeded nor failed.
        inference_s: from snapshot to plan.
        same_c: whether the snapshot gave the embedding that was recorded; None: none was.
        same_actions: whether the recorded z~ and w gave the recorded actions, bit for bit; None: none were.
        difference: largest difference of those actions, in physical units.
    """

    source: str
    episode: int
    chunk: int
    block: str
    recorded_mode: str
    outcome: str
    mode: str
    at_s: float
    error: ActionError
    dz_rms: float
    scale: float
    rms_ratio: float
    mahalanobis: float
    displacement: float
    mahalanobis_z: float
    q: tuple[float, ...]
    value: float
    inference_s: float
    same_c: bool | None
    same_actions: bool | None
    difference: float


def chunk_rows(
    episodes: Sequence[ReplayEpisode],
    planned: Iterable[Planned],
    runtime: PolicyRuntime,
    critics: Critics | None,
) -> list[ChunkRow]:
    """A row for each chunk that was planned, in the order of the episodes.

    Args:
        episodes: what was replayed. planned: what came out.
        runtime: the policy that planned. critics: of its run; None: a base policy has none.
    """
    found = {plan.key: plan for plan in planned}
    rows = []
    for episode in episodes:
        for moment in episode.moments:
            plan = found.get((episode.source, episode.running.episode, moment.chunk))
            if plan is not None:
                rows.append(_row(episode, moment, plan, runtime, critics))
    return rows


def _row(
    episode: ReplayEpisode,
    moment: Moment,
    planned: Planned,
    runtime: PolicyRuntime,
    critics: Critics | None,
) -> ChunkRow:
    plan, model, running = planned.plan, runtime.model, episode.running
    codec = ActionCodec.from_config(runtime.task.action)
    known = moment.executed is not None and moment.executed.shape == plan.actions.shape
    guard, far = GuardValues(), math.nan
    if runtime.task.rl.steering == "latent":
        features = decoded(model, np.stack([plan.z, plan.z_tilde]))
        guard = measure(plan.z, plan.z_tilde, features[0], features[1], model.latents)
        far = math.nan if model.latents is None else float(model.latents.distance(plan.z))
    q = critics.values(plan.c[None], plan.z_tilde[None])[:, 0] if critics else ()
    same = reproduced(moment.before, plan, runtime)
    return ChunkRow(
        source=episode.source,
        episode=running.episode,
        chunk=moment.chunk,
        block=running.block,
        recorded_mode=moment.before.mode if moment.before else running.mode,
        outcome=running.outcome,
        mode=planned.mode,
        at_s=(moment.start_ns - episode.moments[0].start_ns) * 1e-9,
        error=action_error(codec, plan.actions, moment.executed) if known else UNKNOWN,  # type: ignore[arg-type]
        dz_rms=rms(plan.dz),
        scale=plan.scale,
        rms_ratio=guard.rms_ratio,
        mahalanobis=guard.mahalanobis,
        displacement=guard.displacement,
        mahalanobis_z=far,
        q=tuple(float(value) for value in q),
        value=value_that_followed(episode, moment.chunk, runtime.task.rl.gamma),
        inference_s=planned.inference_s,
        same_c=same.c,
        same_actions=same.actions,
        difference=same.difference,
    )


@torch.inference_mode()
def decoded(model: BaseModel, z: NDArray[np.float32]) -> NDArray[np.float32]:
    """g(z), (N, c_dim), for latents (N, dim z)."""
    return np.asarray(model.bottleneck.decode(torch.from_numpy(z)).numpy())


@dataclass(frozen=True)
class Reproduced:
    """Whether a replay gives what was recorded, see `ChunkRow`."""

    c: bool | None = None
    actions: bool | None = None
    difference: float = math.nan


def reproduced(before: PlannedBefore | None, plan: Plan, runtime: PolicyRuntime) -> Reproduced:
    """Plan once more from the snapshot's embedding with the recorded z~ and w."""
    if before is None or before.plan.actions.shape != plan.actions.shape:
        return Reproduced()
    steered = before.mode in STEERED
    if steered and runtime.task.rl.steering == "action_residual":  # averaged with the chunk before
        return Reproduced(bool(np.array_equal(plan.c, before.plan.c)))
    old = before.plan
    if old.z_tilde.shape != plan.z_tilde.shape or old.c.shape != plan.c.shape:
        return Reproduced()
    again = runtime.decode(before.mode, plan.c, old.z_tilde, old.w)
    same_c = bool(np.array_equal(plan.c, old.c))
    return Reproduced(
        same_c, bool(np.array_equal(again, old.actions)), float(np.abs(again - old.actions).max())
    )


def value_that_followed(episode: ReplayEpisode, chunk: int, gamma: float) -> float:
    """gamma ** (chunks until the last one) * r for an episode that succeeded or failed, else NaN."""
    outcome = episode.running.outcome
    if outcome not in TERMINAL or chunk > episode.last_chunk:  # in real time one more may have been planned
        return math.nan
    return REWARDS[outcome] * gamma ** (episode.last_chunk - chunk)


@dataclass(frozen=True)
class EpisodeRow:
    """One replayed episode.

    Attributes:
        source, episode, block, outcome: which, and how it ended.
        chunks: that were planned.
        position_m, rotation_rad, gripper_m: mean errors, NaN where nothing is known.
        far: chunks whose z lies beyond the distance that 1 % of the offline latents exceed.
        far_low: lower end of that share's exact 95 % interval (Clopper and Pearson, two-sided).
        distance: mean Mahalanobis distance of z over that quantile.
        out_of_distribution: whether the share is certainly above 1 %; None where that is not known.
        q, value: of the first chunk: mean of the critics, and what followed.
    """

    source: str
    episode: int
    block: str
    outcome: str
    chunks: int
    position_m: float
    rotation_rad: float
    gripper_m: float
    far: int
    far_low: float
    distance: float
    out_of_distribution: bool | None
    q: float
    value: float


def episode_rows(rows: Sequence[ChunkRow]) -> list[EpisodeRow]:
    """A row for each episode, those that are farthest from the demonstrations first."""
    grouped: dict[tuple[str, int], list[ChunkRow]] = {}
    for row in rows:
        grouped.setdefault((row.source, row.episode), []).append(row)
    found = [_episode_row(group) for group in grouped.values()]
    return sorted(found, key=lambda row: -row.distance if math.isfinite(row.distance) else 0.0)


def _episode_row(rows: Sequence[ChunkRow]) -> EpisodeRow:
    first, distances = rows[0], [row.mahalanobis_z for row in rows]
    known = all(math.isfinite(distance) for distance in distances)
    far = sum(distance > 1.0 for distance in distances) if known else 0
    low = at_least(far, len(rows))
    return EpisodeRow(
        source=first.source,
        episode=first.episode,
        block=first.block,
        outcome=first.outcome,
        chunks=len(rows),
        position_m=mean(row.error.position_m for row in rows),
        rotation_rad=mean(row.error.rotation_rad for row in rows),
        gripper_m=mean(row.error.gripper_m for row in rows),
        far=far,
        far_low=low,
        distance=mean(distances),
        out_of_distribution=low > FAR_SHARE if known else None,
        q=mean(first.q),
        value=first.value,
    )


def at_least(count: int, of: int) -> float:
    """Lower end of the exact 95 % interval of a share: Wilson's is too high for few and rare ones, and would
    call every tenth ordinary episode of ten chunks out of distribution.
    """
    return float(beta.ppf(0.025, count, of - count + 1)) if count else 0.0


def mean(values: Iterable[float]) -> float:
    """Of what is finite; NaN where nothing is."""
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


@dataclass(frozen=True)
class CalibrationBin:
    """Chunks of similar Q beside what followed.

    Attributes:
        low, high: of the mean Q over the critics.
        chunks, episodes: how many, and from how many episodes.
        q, value: means over chunks.
        error: standard error of the value's mean, with episodes as clusters: chunks of one share its outcome.
    """

    low: float
    high: float
    chunks: int
    episodes: int
    q: float
    value: float
    error: float


def calibration(rows: Sequence[ChunkRow], bins: int = 10) -> list[CalibrationBin]:
    """Q against the discounted reward that followed, in bins of equally many chunks.

    Chunks of episodes that neither succeeded nor failed are left out: at the horizon the value goes on.
    """
    known = [row for row in rows if row.q and math.isfinite(row.value)]
    known.sort(key=lambda row: mean(row.q))
    found = []
    for part in np.array_split(np.arange(len(known)), min(bins, len(known)) or 1):
        group = [known[index] for index in part]
        if not group:
            continue
        q = [mean(row.q) for row in group]
        value = float(np.mean([row.value for row in group]))
        apart: dict[tuple[str, int], float] = {}
        for row in group:
            key = row.source, row.episode
            apart[key] = apart.get(key, 0.0) + row.value - value
        error = _clustered_error(list(apart.values()), len(group))
        found.append(CalibrationBin(min(q), max(q), len(group), len(apart), float(np.mean(q)), value, error))
    return found


def _clustered_error(sums: Sequence[float], count: int) -> float:
    """Standard error of a mean over `count` values, from each cluster's sum of distances from that mean
    (Liang and Zeger 1986, with the factor for few clusters); NaN of one cluster.
    """
    clusters = len(sums)
    if clusters < 2:
        return math.nan
    return math.sqrt(clusters / (clusters - 1) * float(np.square(sums).sum())) / count


@dataclass(frozen=True)
class DifferenceRow:
    """How two policies differ in one chunk: the same snapshot, the same w.

    Attributes:
        source, episode, chunk: which. error: distance of what they planned.
        q, other_q: means of their critics.
    """

    source: str
    episode: int
    chunk: int
    error: ActionError
    q: float
    other_q: float


def differences(
    task: TaskConfig,
    plans: Sequence[Planned],
    others: Sequence[Planned],
    rows: Sequence[ChunkRow],
    other_rows: Sequence[ChunkRow],
) -> list[DifferenceRow]:
    """Chunk by chunk, of those that both planned."""
    codec, other = ActionCodec.from_config(task.action), {plan.key: plan for plan in others}
    q, other_q = ({(r.source, r.episode, r.chunk): mean(r.q) for r in each} for each in (rows, other_rows))
    return [
        DifferenceRow(
            *plan.key,
            action_error(codec, plan.plan.actions, other[plan.key].plan.actions),
            q.get(plan.key, math.nan),
            other_q.get(plan.key, math.nan),
        )
        for plan in plans
        if plan.key in other
    ]
