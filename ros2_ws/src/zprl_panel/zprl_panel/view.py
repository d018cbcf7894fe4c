"""What the page shows, as plain data, from the newest messages. Pure; times come in as arguments."""

from __future__ import annotations

import functools
import math
from dataclasses import asdict
from typing import Any

from zprl_core import layout
from zprl_core.config.region import RegionConfig
from zprl_core.session.states import TRANSITIONS, Event, State
from zprl_panel.banners import STREAM_S, banners
from zprl_panel.latest import Cell, Corners, Latest, NodeLook, Stream

_COMMANDS = ("start", "begin", "pause", "resume", "stop", "abort", "undo", "clear")
_WORDS = {
    "": ("Waiting", "for the session"),
    "idle": ("Idle", "Start when the cell is safe"),
    "resetting": ("Resetting", "the arms go home"),
    "ready": ("Ready", ""),
    "running": ("Running", "the policy drives"),
    "judging": ("Judge", "was it a success or a failure?"),
    "labelled": ("Labelled", "Undo, or Start the next episode"),
    "done": ("Done", "the plan is finished"),
    "paused": ("Paused", "the arms hold; Resume goes on"),
    "stopped": ("Stopped", "Clear when the cell is safe"),
    "faulted": ("Fault", "see what is wrong, then Clear"),
}
_READY = {
    "manual": "lay out the objects, then Begin",
    "teleoperated": "lay out the objects, with the arms too, then Begin: they go home first",
    "automatic": "keep clear, it begins by itself",
}
_LAID_OUT = ("resetting", "ready")
_OWNERS = {"": "nobody moves it", "none": "nobody moves it", "stop": "holds", "homing": "goes home"}


def view(latest: Latest, now_s: float, wall_s: float) -> dict[str, Any]:
    """Everything but the history.

    Args:
        latest: the newest messages.
        now_s: on the clock of their arrival.
        wall_s: Unix time, for what the session stamps on the system clock.
    """
    cell = latest.cell
    return {
        "run": {"id": cell.run_id, "task": cell.task, "rig": cell.rig, "lockstep": cell.lockstep},
        "session": _session(latest, now_s, wall_s),
        "banners": [asdict(banner) for banner in banners(latest, now_s)],
        "nodes": [_node(name, node, now_s) for name, node in latest.nodes.items()],
        "devices": _devices(latest, now_s),
        "policy": _policy(latest),
        "learner": _learner(latest, now_s),
        "events": [asdict(event) for event in reversed(latest.events)],
        "disk_gb": None if latest.disk_free is None else round(latest.disk_free / 1e9, 1),
    }


def possible_now(message: Any) -> list[str]:
    """Labels and commands that the session would accept; by the state where the session does not say."""
    if list(message.possible):
        return list(message.possible)
    try:
        state = State(message.state)
    except ValueError:
        return ["stop"]
    commands = [name for name in _COMMANDS if state in TRANSITIONS[Event(name)]]
    return [*commands, *(("success", "failure") if state in TRANSITIONS[Event.LABEL] else ())]


def _session(latest: Latest, now_s: float, wall_s: float) -> dict[str, Any]:
    message = latest.session.message if latest.session else None
    word, hint = _WORDS.get(message.state if message else "", ("?", ""))
    shown: dict[str, Any] = {
        "state": "",
        "word": word,
        "hint": hint,
        "episode": None,
        "possible": [],
        "steps": 0,
    }
    if message is None:
        return shown
    hint = _READY.get(latest.cell.reset, hint) if message.state == "ready" else hint
    if message.state in ("stopped", "paused") and message.reason:
        hint = f"{message.reason}; {hint}"
    return {
        "state": message.state,
        "word": f"{word}: {message.outcome}" if message.state == "labelled" and message.outcome else word,
        "hint": hint,
        "episode": message.episode,
        "block": message.block,
        "mode": message.mode,
        "outcome": message.outcome,
        "author": message.author,
        "layout": message.layout,
        "overlay": _overlay(latest.cell, message),
        "possible": possible_now(message),
        "steps": min((message.cleared_chunk + 1) * latest.cell.chunk_steps, latest.cell.horizon_steps),
        "horizon": latest.cell.horizon_steps,
        "motion_s": round(latest.motion_s(now_s), 1),
        "window_s": _window(latest, message, now_s, wall_s),
    }


def _overlay(cell: Cell, message: Any) -> dict[str, list[dict[str, Any]]]:
    """What is drawn over each camera's picture while the scene is laid out: closed outlines by name."""
    if cell.region is None or message.state not in _LAID_OUT:
        return {}
    return {
        camera: _outlines(cell.region, int(message.layout_seed), corners)
        for camera, corners in cell.corners.items()
    }


@functools.lru_cache(maxsize=16)
def _outlines(region: RegionConfig, seed: int, corners: Corners) -> list[dict[str, Any]]:
    shapes = layout.outlines(region, layout.draw(region, seed), corners)
    return [{"name": name, "points": points.round(4).tolist()} for name, points in shapes.items()]


def _window(latest: Latest, message: Any, now_s: float, wall_s: float) -> float | None:
    """Seconds until the session goes on by itself; None where it waits, or where time is simulated."""
    if latest.cell.lockstep or message.window_s < 0 or not latest.session:
        return None
    since_s = message.since.sec + 1e-9 * message.since.nanosec
    passed_s = wall_s - since_s if since_s > 0 else now_s - latest.state_s
    return round(max(0.0, message.window_s - passed_s), 1)


def _node(name: str, node: NodeLook, now_s: float) -> dict[str, Any]:
    if not node.present:
        word = "gone" if node.ever else "not up yet"
    elif node.asked_s is not None and now_s - node.asked_s > 2.0:
        word = f"silent {now_s - node.asked_s:.0f} s"
    else:
        word = node.state or "up"
    return {"name": name[1:], "ok": node.present, "word": word}


def _devices(latest: Latest, now_s: float) -> list[dict[str, Any]]:
    arms = [_arm(latest, name, stream, now_s) for name, stream in latest.arms.items()]
    cameras = [_camera(latest, name, stream, now_s) for name, stream in latest.cameras.items()]
    return [*arms, *cameras]


def _arm(latest: Latest, name: str, stream: Stream, now_s: float) -> dict[str, Any]:
    state = stream.message
    if state is None:
        return {"name": f"arm {name}", "ok": False, "word": "nothing yet"}
    words = [f"holds: {state.fault}" if state.fault else _OWNERS.get(state.owner, f"moved by {state.owner}")]
    words += ["motors off"] if state.shadow else []
    return {"name": f"arm {name}", **_health(latest, stream, now_s, not state.fault, words)}


def _camera(latest: Latest, name: str, stream: Stream, now_s: float) -> dict[str, Any]:
    if not stream.number:
        return {"name": f"camera {name}", "ok": False, "word": "nothing yet"}
    return {"name": f"camera {name}", **_health(latest, stream, now_s, True, [])}


def _health(latest: Latest, stream: Stream, now_s: float, ok: bool, words: list[str]) -> dict[str, Any]:
    age_s = stream.age_s(now_s) or 0.0
    if latest.cell.lockstep:
        pace = f"{stream.number} so far"
    elif age_s > STREAM_S:
        ok, pace = False, f"silent {age_s:.0f} s"
    else:
        pace = f"{stream.rate_hz(now_s):.0f} Hz"
    return {"ok": ok, "word": ", ".join([*words, pace])}


def _policy(latest: Latest) -> dict[str, Any] | None:
    if latest.policy is None:
        return None
    message = latest.policy.message
    return {
        "inference_ms": round(1e3 * message.inference_s, 1),
        "perturbation": _number(message.perturbation_rms_ratio),
        "distance": _number(message.mahalanobis),
        "displacement": _number(message.feature_displacement),
        "lambda_scale": _number(message.lambda_scale),
        "guard": message.guard,
        "held": message.held,
        "stalls": int(message.stalls),
    }


def _learner(latest: Latest, now_s: float) -> dict[str, Any] | None:
    if latest.learner is None:
        return None
    message = latest.learner.message
    return {
        "updates": int(message.updates),
        "updates_hz": round(latest.updates_hz(now_s), 1),
        "update_ms": round(1e3 * message.update_s, 1),
        "version": int(message.actor_version),
        "transitions": int(message.transitions),
        "excluded": int(message.excluded),
        "temperature": _number(message.temperature),
        "q_mean": _number(message.q_mean),
    }


def _number(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
