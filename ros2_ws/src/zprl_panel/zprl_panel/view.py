"""What the page shows, as plain data, from the newest messages. Pure; times come in as arguments."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

from zprl_core.plan import place_in_words
from zprl_panel.banners import STREAM_S, banners
from zprl_panel.latest import Latest, NodeLook
from zprl_web.outlines import overlay
from zprl_web.session_words import possible_now, words
from zprl_web.stream import Stream

_P95 = 1
"""Of the three numbers of a `MotionStatistics`."""
_OWNERS = {"": "nobody moves it", "none": "nobody moves it", "stop": "holds", "homing": "goes home"}


def view(latest: Latest, now_s: float, wall_s: float) -> dict[str, Any]:
    """Everything but the history. In a blind evaluation nothing in it says which policy drives.

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
        "motions": [_motion(latest, message) for message in reversed(latest.motions)],
        "events": [asdict(event) for event in reversed(latest.events)],
        "disk_gb": None if latest.disk_free is None else round(latest.disk_free / 1e9, 1),
    }


def _session(latest: Latest, now_s: float, wall_s: float) -> dict[str, Any]:
    message = latest.session.message if latest.session else None
    word, hint = words(message, latest.cell.reset)
    now = latest.trial
    case = latest.cell.cases.get(now.case) if now else None
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
    return {
        "state": message.state,
        "word": word,
        "hint": hint,
        "episode": message.episode,
        "place": place_in_words(now and replace(now, case=""), message.block, blind=latest.cell.blind),
        "case": "" if case is None else f"{case.name}: {case.description}",
        **({} if latest.cell.blind else {"block": message.block, "mode": message.mode}),
        "outcome": message.outcome,
        "author": message.author,
        "layout": message.layout,
        "overlay": overlay(
            latest.cell.region, latest.cell.corners, message.state, int(message.layout_seed), case
        ),
        "possible": possible_now(message),
        "steps": min((message.cleared_chunk + 1) * latest.cell.chunk_steps, latest.cell.horizon_steps),
        "horizon": latest.cell.horizon_steps,
        "motion_s": round(latest.motion_s(now_s), 1),
        "window_s": _window(latest, message, now_s, wall_s),
    }


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
    if latest.policy is None or latest.cell.blind:
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


def _motion(latest: Latest, message: Any) -> dict[str, Any]:
    """An arm in an episode: what it was told and did, 95th percentiles and spectral arc length."""
    which = str(message.episode)
    if len(latest.cell.arms) > 1:
        which += f" {message.arm}"
    return {
        "which": which,
        "alarms": list(message.alarms),
        "told": _statistics(message.commanded),
        "did": _statistics(message.measured),
    }


def _statistics(found: Any) -> list[float | None]:
    """Speed, acceleration, jerk, spectral arc length."""
    spreads = (found.speed_m_s, found.acceleration_m_s2, found.jerk_m_s3)
    return [*(_number(spread[_P95]) for spread in spreads), _number(found.sparc)]


def _number(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
