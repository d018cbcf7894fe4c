"""Messages as the panel sees them, without ROS: the fields that it reads."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from zprl_panel.latest import Cell, Latest

CELL = Cell(
    run_id="run",
    task="t",
    rig="r",
    lockstep=False,
    chunk_steps=16,
    horizon_steps=160,
    arms=("left",),
    cameras=("third_view",),
    nodes=("/policy_node", "/session_node"),
    managed=("/policy_node",),
)
LOCKSTEP = Cell(**{**CELL.__dict__, "lockstep": True})


def session(state: str = "running", **more: Any) -> SimpleNamespace:
    """A /session/state."""
    return SimpleNamespace(
        **{
            "run_id": "run",
            "state": state,
            "episode": 3,
            "block": "train",
            "mode": "explore",
            "cleared_chunk": 1,
            "outcome": "",
            "author": "",
            "layout": "",
            "possible": [],
            "layout_seed": 0,
            "since": SimpleNamespace(sec=0, nanosec=0),
            "window_s": -1.0,
            "reason": "",
            **more,
        }
    )


def policy(**more: Any) -> SimpleNamespace:
    """A /policy/status."""
    known = {"inference_s": 0.02, "perturbation_rms_ratio": 0.1, "mahalanobis": float("nan"), "stalls": 0}
    more = {"feature_displacement": 1.0, "lambda_scale": 1.0, "guard": "", "held": "", **more}
    return SimpleNamespace(**{**known, **more})


def report(status: int = 0, **more: Any) -> SimpleNamespace:
    """An /arms/<arm>/report."""
    known = {"arm": "left", "episode": 3, "chunk": 2, "reason": "", "clamped_fraction": 0.0}
    constants = {"EXECUTED": 0, "REFUSED": 1, "INTERRUPTED": 2, "OVERRIDDEN": 3, "SHADOW": 4}
    constants |= {"LABELLED": 5, "TAKEN_OVER": 6}
    return SimpleNamespace(**{**constants, **known, "status": status, **more})


def motion(episode: int = 3, *alarms: str, arm: str = "left", scale: float = 1.0) -> SimpleNamespace:
    """An /arms/<arm>/motion."""
    told, did = (
        SimpleNamespace(
            speed_m_s=[0.1 * k, 0.4 * k, 0.5 * k],
            acceleration_m_s2=[0.5 * k, 1.9 * k, 2.6 * k],
            jerk_m_s3=[8.0 * k, 25.0 * k, 56.0 * k],
            sparc=-2.7,
        )
        for k in (scale, 0.9 * scale)
    )
    did.sparc = float("nan")
    return SimpleNamespace(
        run_id="run", arm=arm, episode=episode, commanded=told, measured=did, alarms=list(alarms)
    )


def arm(**more: Any) -> SimpleNamespace:
    """An /arms/<arm>/state."""
    return SimpleNamespace(**{"fault": "", "owner": "policy", "shadow": False, **more})


def healthy(now_s: float, cell: Cell = CELL) -> Latest:
    """A graph of which nothing is missing at `now_s`."""
    latest = Latest(cell, now_s)
    latest.on_session(session(), now_s, now_s)
    latest.on_names(set(cell.nodes))
    latest.on_lease(SimpleNamespace(frame_id="run"), now_s)
    for stream in latest.arms.values():
        stream.note(arm(), now_s)
    for stream in latest.cameras.values():
        stream.note(b"", now_s)
    latest.disk_free = 100_000_000_000
    return latest
