"""What the nodes of a session in real time left in its folder, as a table."""

from __future__ import annotations

import json
from pathlib import Path

from zprl_core.records import EpisodeRecord, read_records

SHOWN = 90
ROWS = (
    ("policy_node", "tick_error_ms", "policy tick, late by, ms"),
    ("policy_node", "inference_ms", "snapshot to plan, ms"),
    ("arm_bridge", "control_period_ms", "period between setpoints, ms"),
    ("arm_bridge", "servo_late_ms", "setpoint, late by, ms"),
    ("arm_bridge", "seam_gap_ms", "gap between chunks, ms"),
    ("arm_bridge", "seam_velocity_jump_m_s", "change of velocity between chunks, m/s"),
)
COUNTS = (
    ("arm_bridge", "skipped_steps", "waypoints skipped"),
    ("arm_bridge", "missed_servo_periods", "servo periods missed"),
    ("policy_node", "stalls", "chunks that waited for their actor"),
    ("learner_node", "updates", "updates meanwhile"),
)


def print_session(run: Path, lead_ms: float) -> tuple[EpisodeRecord, ...]:
    """Print times and counts; returns the episodes.

    Args:
        run: folder of the session.
        lead_ms: L of its task, ms.
    """
    stats = {file.stem: json.loads(file.read_text()) for file in (run / "stats").glob("*.json")}
    print(f"{'':42} {'p50':>9} {'p99':>9}")
    for node, key, label in ROWS:
        found = stats[node][key]
        print(f"{label:42} {found['p50']:9.3f} {found['p99']:9.3f}")
    late = stats["arm_bridge"]["servo_late_ms"]
    p50, p99 = (lead_ms + late[key] for key in ("p50", "p99"))
    print(f"{'observation to first motion (L), ms':42} {p50:9.3f} {p99:9.3f}")
    for node, key, label in COUNTS:
        if node in stats:
            print(f"{label:42} {stats[node][key]:9}")
    episodes = read_records(run / "episodes.jsonl")
    void = [episode for episode in episodes if episode.void]
    print(f"{'episodes':42} {len(episodes):9}\n{'void episodes':42} {len(void):9}")
    for episode in void:
        print(f"  episode {episode.episode}: {episode.reason[:SHOWN]}")
    return episodes
