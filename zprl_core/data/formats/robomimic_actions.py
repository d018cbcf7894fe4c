# SPDX-License-Identifier: Apache-2.0
"""Whether a robomimic file's actions are absolute, which its env_args alone do not tell.

The published files hold deltas, scaled to -1 .. 1; diffusion_policy's `image_abs.hdf5` holds absolute poses
under the env_args of the file it was made from, which still say "delta". So the actions are compared with
where the tool was: an absolute setpoint is a few centimetres ahead of it, a delta lies about the origin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.errors import DataError

NEAR_M = 0.15
"""Ours: an absolute setpoint is nearer to the tool in the median; robosuite's largest step is 0.05."""
_ADVICE = (
    "This stack learns absolute poses: take diffusion_policy's image_abs.hdf5, or add actions_abs with "
    "robomimic's scripts/conversion/robosuite_add_absolute_actions.py, which needs the simulator"
)


def refuse_deltas(
    where: str,
    env_args: Mapping[str, Any],
    actions: Sequence[NDArray[Any]],
    positions: Sequence[NDArray[Any]],
    *,
    named_absolute: bool,
) -> None:
    """Refuse what is not absolute, or cannot be shown to be.

    Args:
        where: file and key, for messages.
        env_args: of the file.
        actions: of some demos, (T, da).
        positions: where each arm's tool was in them, (T, arms, 3), m; empty where the file does not say.
        named_absolute: the key's name says that they are.

    Raises:
        DataError: says what was found and what to do.
    """
    if positions:
        pairs = zip(actions, positions, strict=True)
        distances = np.concatenate([_away(each, tool) for each, tool in pairs])
        away = float(np.median(distances)) if distances.size else 0.0
        if away > NEAR_M:
            raise DataError(
                f"{where}: are no absolute poses: their first three numbers are {away:.2f} m away from the "
                f"tool in the median (absolute: at most {NEAR_M}). {_ADVICE}. If they are absolute, in "
                "another frame than the file's eef_pos: --absolute"
            )
        return
    delta = control_delta(env_args)
    if delta is False or (delta is None and named_absolute):
        return
    said = "env_args say control_delta: true" if delta else "neither env_args nor eef_pos tell"
    raise DataError(
        f"{where}: are not known to be absolute poses: {said}. {_ADVICE}. If they are: --absolute"
    )


def control_delta(env_args: Mapping[str, Any]) -> bool | None:
    """Whether env_args say that actions are deltas; None: they do not say."""
    controller = env_args.get("env_kwargs", {}).get("controller_configs", {})
    if not isinstance(controller, Mapping):
        return None
    parts = [each for each in controller.get("body_parts", {}).values() if isinstance(each, Mapping)]
    said = [_said(each) for each in (controller, *parts)]
    known = [each for each in said if each is not None]
    return any(known) if known else None


def _said(controller: Mapping[str, Any]) -> bool | None:
    """Of one controller: robosuite before 1.5 has control_delta, since then input_type."""
    if "control_delta" in controller:
        return bool(controller["control_delta"])
    return None if "input_type" not in controller else controller["input_type"] == "delta"


def _away(actions: NDArray[Any], positions: NDArray[Any]) -> NDArray[np.float64]:
    """How far each arm's action is from its tool, m; infinite where the numbers do not divide among arms."""
    steps, arms = positions.shape[:2]
    if len(actions) != steps or actions.shape[1] % arms or actions.shape[1] // arms < 3:
        return np.array([np.inf])
    aims = actions.reshape(steps, arms, actions.shape[1] // arms)[..., :3].astype(np.float64)
    return np.asarray(np.linalg.norm(aims - positions, axis=-1).ravel())
