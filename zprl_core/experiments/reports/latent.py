# SPDX-License-Identifier: Apache-2.0
"""What ZPRL did to the latent: the paper's Fig. 11."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from zprl_core.base import load_base
from zprl_core.experiments.bases import base_path
from zprl_core.experiments.cells import Trial
from zprl_core.experiments.latents import Latents, read_latents
from zprl_core.experiments.policy import normal
from zprl_core.experiments.reports.curve import Curve
from zprl_core.experiments.runner import folder_of
from zprl_core.experiments.steering_trial import GUARD
from zprl_core.noise import Stream
from zprl_core.report.curves import band
from zprl_core.report.document import Figure, Part, Table
from zprl_core.report.figures import COLOURS, DASHES, figure
from zprl_core.steering.effect import DISPLACEMENT
from zprl_core.steering.latent import LatentSteering
from zprl_core.steering.maps import Cloud, draw_map

EFFECTS = ("Method", "RMS ratio", "Distance of z~", "Displacement of c^")
CAPTION = (
    "Last point of the seeds that are done, without exploration, means over chunks and seeds (Fig. 11): "
    "RMS(z~ - z) / RMS(z), Mahalanobis distance of z~ over the one that 1 % of the offline latents exceed, "
    "and L2 distance of g(z~) to g(z)."
)
CURVES = {
    "mahalanobis": "distance of z~ / 99 % offline",
    "displacement": f"|g(z~) - g(z)|; dashed: guideline {DISPLACEMENT:g}",
}
"""What is drawn over training, Fig. 11 (c) and (d)."""


def latent_parts(task: str, found: Sequence[Curve], root: Path, out: Path) -> list[Part]:
    """Of those of a task's cells that steer the latent: last effects, curves, and maps.

    Raises:
        DataError: kept latents are damaged. CheckpointError: a base policy is.
    """
    shown = [each for each in found if each.done and all(points[-1].effect for points in each.ended)]
    if not shown:
        return []
    rows = [[each.name, *(f"{_last(each, name):.3g}" for name in GUARD)] for each in shown]
    return [
        Table(f"{task}_steering", EFFECTS, rows, CAPTION),
        _curves(task, shown, out),
        *_maps(task, shown, root, out),
    ]


def _last(curve: Curve, name: str) -> float:
    return float(np.mean([points[-1].effect.get(name, np.nan) for points in curve.ended]))


def _curves(task: str, found: Sequence[Curve], out: Path) -> Figure:
    picture = f"{task}_effect.png"
    with figure(out / picture, len(CURVES), 3.6) as axes:
        for one, (name, told) in zip(axes, CURVES.items(), strict=True):
            for number, curve in enumerate(found):
                look = {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}
                lines = [
                    (
                        np.array([p.steps for p in points], np.float64),
                        np.array([p.effect.get(name, np.nan) for p in points]),
                    )
                    for points in curve.ended
                ]
                if mean := band(lines):
                    one.plot(mean.steps, mean.mean, label=curve.name, **look)
            one.set(xlabel="environment steps, thousands", ylabel=told)
            one.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:g}")
            one.grid(alpha=0.3)
        axes[-1].axhline(DISPLACEMENT, color="black", linestyle="--", linewidth=1.0)
        axes[0].legend(frameon=False)
    return Figure(picture, "The same over training, means over the seeds that are done (Fig. 11 c and d).")


def _maps(task: str, found: Sequence[Curve], root: Path, out: Path) -> list[Part]:
    """Features and chunks of the last point, before and after steering, of the first seed that all have."""
    seeds = set.intersection(*(set(each.done) for each in found))
    if not seeds:
        return []
    seed, features, actions = min(seeds), list[Cloud](), list[Cloud]()
    for curve in found:
        trial, point = curve.trials[seed], len(curve.points[seed]) - 1
        latents, base = read_latents(folder_of(trial, root), point), base_path(trial, root)
        if latents is None or not base.exists():
            continue  # of a trial that was run before latents were kept, or elsewhere
        decoded, chunks = _decoded(trial, latents, base)
        features.append(Cloud(curve.name, *decoded))
        actions.append(Cloud(curve.name, *chunks))
    if not features:
        return []
    picture = f"{task}_maps.png"
    with figure(out / picture, 2, 4.6) as axes:
        method = draw_map(axes[0], "(a) decoded feature", features, seed)
        draw_map(axes[1], "(b) action chunk", actions, seed)
        axes[0].legend(frameon=False, markerscale=2.0)
    told = f"Chunks of the last point by {method}, seed {seed}; not steered in grey (Fig. 11 a and b)."
    return [Figure(picture, told)]


@torch.inference_mode()
def _decoded(
    trial: Trial, latents: Latents, base: Path
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Features g(z) and g(z~), (n, c_dim), and the chunks that the flow makes of them, (n, H * da)."""
    model, _, _ = load_base(base)
    model.policy.sampling = trial.task.policy.sampling
    assert trial.scale is not None
    steering = LatentSteering(model.policy, model.bottleneck, trial.scale)
    at = list(zip(latents.episode.tolist(), latents.chunk.tolist(), strict=True))
    w = normal(trial.seed, at, Stream.FLOW, (model.policy.chunk, model.policy.action_dim))
    z, steered = torch.from_numpy(latents.z), torch.from_numpy(latents.z_tilde)
    features = tuple(steering.condition(each) for each in (z, steered))
    chunks = tuple(model.policy.act(each, w).flatten(1).numpy() for each in features)
    return (features[0].numpy(), features[1].numpy()), (chunks[0], chunks[1])
