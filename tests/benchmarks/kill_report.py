"""The kills of `tests.benchmarks.kill_matrix` as Markdown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def print_report(log: Path, nodes: Sequence[str], states: Sequence[str]) -> None:
    """The matrix of the operator's part, the other parts, and what is not as it should be."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    kills = [line for line in lines if "end" not in line]
    print(f"\n{len(kills)} kills\n")
    _matrix([kill for kill in kills if kill["part"] == "operator"], nodes, states)
    for part in ("judge", "learner"):
        found = Counter((kill["process"], kill["state"]) for kill in kills if kill["part"] == part)
        shown = ", ".join(f"{process} {state} {n}" for (process, state), n in sorted(found.items()))
        print(f"\n{part}: {sum(found.values())} kills: {shown}")
    violations = [
        (line.get("process", "end"), line.get("state", ""), one) for line in lines for one in line["problems"]
    ]
    print(f"\nviolations: {len(violations)}")
    for one in violations:
        print("  ", *one)
    _costs(kills)


def _matrix(kills: list[dict[str, Any]], nodes: Sequence[str], states: Sequence[str]) -> None:
    made = Counter((kill["process"], kill["state"]) for kill in kills)
    print(f"| | {' | '.join(states)} | kills | violations |")
    print("|---|" + "---|" * (len(states) + 2))
    for node in nodes:
        row = [made[node, state] for state in states]
        bad = sum(len(kill["problems"]) for kill in kills if kill["process"] == node)
        print(f"| {node} | {' | '.join(map(str, row))} | {sum(row)} | {bad} |")


def _costs(kills: list[dict[str, Any]]) -> None:
    ended = [kill for kill in kills if kill["exit_code"] is not None]
    slowest, times = max(ended, key=lambda kill: kill["end_s"]), [kill["end_s"] for kill in ended]
    print(f"\nfrom the kill until no process was left: median {_median(times):.1f} s, ", end="")
    print(f"at most {slowest['end_s']} s ({slowest['process']}, {slowest['state']})")
    executed = Counter((kill["state"], kill["executed"]) for kill in ended)
    print(f"(state, chunks that ended after the kill): kills: {sorted(executed.items())}")
    left = max(len(kill["shared"]) for kill in ended)
    print(f"files in /dev/shm that nobody held before the next start, ports included: at most {left}")


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
