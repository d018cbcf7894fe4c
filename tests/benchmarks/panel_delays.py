"""How long a press at the panel takes, by the clock of the machine that runs pages and graph alike."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.benchmarks.panel_operator import Entry

PROMPT_MS = 200.0
"""A command that left its page later than this after the press found no line."""


@dataclass(frozen=True)
class Delays:
    """From the press in a page, ms; of presses that were answered.

    Attributes:
        kept: to the ledger's line (`written_ns`), just before it is synced and the session changes.
        shown: to the answer in the page.
        over_gap: the same, where the line was gone: the panel was killed or the page was loaded anew.
    """

    kept: list[float]
    shown: list[float]
    over_gap: list[float]

    @classmethod
    def of(cls, ledger: Path, entries: Iterable[Entry]) -> Delays:
        """From what the pages kept and the ledger."""
        sent: dict[str, list[Entry]] = {}
        answered: dict[str, float] = {}
        for entry in sorted(entries, key=lambda entry: float(entry["at"])):
            if entry["kind"] == "sent":
                sent.setdefault(entry["id"], []).append(entry)
            elif entry["kind"] == "answer" and entry["accepted"] is not None:
                answered.setdefault(entry["id"], entry["at"])
        written = {line["command_id"]: 1e-6 * line["written_ns"] for line in map(json.loads, ledger.open())}
        made = cls([], [], [])
        for id in sent.keys() & answered.keys():
            first = sent[id][0]
            if first["pressed"] is None:
                continue
            prompt = len(sent[id]) == 1 and first["at"] - first["pressed"] < PROMPT_MS
            (made.shown if prompt else made.over_gap).append(answered[id] - first["pressed"])
            if prompt and id in written:
                made.kept.append(written[id] - first["pressed"])
        return made

    def table(self) -> str:
        """Markdown."""
        rows = {
            "press to the ledger's line": self.kept,
            "press to the answer in the page": self.shown,
            "the same, where the line was gone in between": self.over_gap,
        }
        lines = ["| ms | presses | p50 | p95 | max |", "|---|---|---|---|---|"]
        for name, values in rows.items():
            numbers = (
                [f"{n:.0f}" for n in (*np.percentile(values, (50, 95)), max(values))] if values else "---"
            )
            lines.append(f"| {name} | {len(values)} | {' | '.join(numbers)} |")
        return "\n".join(lines)
