# SPDX-License-Identifier: Apache-2.0
"""Writes what was found: episodes.csv, smoothness.json, and tables for people."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

from zprl_core.run_folder import write_text
from zprl_core.smoothness.estimates import Estimate
from zprl_core.smoothness.report import (
    ACCELERATION,
    MEASURES,
    VELOCITY,
    Group,
    Row,
    evaluations,
    numbers,
    plain,
)

SHOWN = {
    VELOCITY: "Vel_EE, m/s",
    ACCELERATION: "Acc_EE, m/s²",
    "commanded_jerk": "jerk told, m/s³",
    "measured_speed": "speed, m/s",
    "measured_acceleration": "acceleration, m/s²",
    "measured_jerk": "jerk, m/s³",
    "measured_sparc": "SPARC",
}
"""Columns of the table; what was measured, where it does not say otherwise."""
_FACTS = ("run", "episode", "arm", "block", "mode", "outcome", "env_steps", "counts", "shadow", "human_share")


def write(out: Path, found: Sequence[Row], made: Sequence[Group], base: str) -> str:
    """Write the three files into a folder. Returns the tables, or a line that says why there are none."""
    tables = text(made, base) if made else f"{_nothing(found)}\n"
    write_text(out / "episodes.csv", _csv(found))
    content = {"base": base, "units": MEASURES, "groups": plain(made)}
    write_text(out / "smoothness.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
    write_text(out / "smoothness.md", tables)
    return tables


def _nothing(found: Sequence[Row]) -> str:
    """Why there are no tables."""
    by_people = all(row.record.mode == "human" for row in found)
    why = "a person moved the arms" if by_people else "void, with the motors off, or with a person's help"
    return f"no motion by a policy, so there is nothing to compare: all {len(found)} left out, {why}"


def text(made: Sequence[Group], base: str) -> str:
    """The tables as Markdown: every block, against the base policy, and the paper's Table II."""
    several = len({group.run for group in made}) > 1
    head = [*(["run"] if several else []), "block", "mode", "arm", "n", "alarms", *SHOWN.values()]
    means = [[*_names(g, several), str(g.episodes), str(g.alarmed), *_cells(g, ratio=False)] for g in made]
    ratios = [[*_names(g, several), str(g.episodes), *_cells(g, ratio=True)] for g in made if g.mode != base]
    parts = ["Means over episodes with 95 % intervals\n", _table(head, means)]
    if ratios:
        head.remove("alarms")
        parts += [f"\nRatio to the base policy ({base})\n", _table(head, ratios)]
    return "\n".join([*parts, *_table_two(made)]) + "\n"


def _table_two(made: Sequence[Group]) -> Iterable[str]:
    """Vel_EE and Acc_EE over training, one run beside the other, as the paper has it."""
    table = evaluations(made)
    if len({group.env_steps for by_run in table.values() for each in by_run.values() for group in each}) < 2:
        return
    runs = list(dict.fromkeys(group.run for group in made))
    named = f" [{' | '.join(runs)}]" if len(runs) > 1 else ""
    head = ["block", f"env steps{named}", f"Vel_EE, m/s{named}", f"Acc_EE, m/s²{named}"]
    for arm in dict.fromkeys(group.arm for group in made):
        lines = []
        for block, by_run in table.items():
            each = [next((g for g in by_run.get(run, ()) if g.arm == arm), None) for run in runs]
            cells = [[str(g.env_steps) if g else "–" for g in each]]
            for measure in (VELOCITY, ACCELERATION):
                cells.append([_estimate(g.means[measure]) if g else "–" for g in each])
            lines.append([block, *(" | ".join(cell) for cell in cells)])
        yield f"\nVel_EE and Acc_EE over training, arm {arm}\n"
        yield _table(head, lines, bar="¦")


def _names(group: Group, several: bool) -> list[str]:
    block = f"{group.block}, {group.case}" if group.case else group.block
    return [*([group.run] if several else []), block, group.mode, group.arm]


def _cells(group: Group, *, ratio: bool) -> list[str]:
    return [_estimate((group.ratios if ratio else group.means)[name]) for name in SHOWN]


def _estimate(found: Estimate) -> str:
    if found.value is None:
        return "–"
    if found.low is None or found.high is None:
        return f"{found.value:.3g}"
    return f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]], bar: str = "|") -> str:
    """Markdown that is readable as it is; a bar inside a cell is written as `bar`."""
    cells = [[cell.replace("|", bar) for cell in line] for line in (head, *lines)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    rows = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in cells]
    return "\n".join([rows[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *rows[1:]])


def _csv(found: Iterable[Row]) -> str:
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    covered = ("commanded_s", "measured_s", "commanded_reason", "measured_reason", "alarms")
    writer.writerow([*_FACTS, *MEASURES, *covered])
    for row in found:
        record, motion = row.record, row.motion
        facts = [row.run, record.episode, motion.arm, record.block, record.mode, record.outcome]
        facts += [row.env_steps, int(row.counts), int(motion.shadow), f"{motion.human_share:.3f}"]
        values = ["" if value is None else f"{value:.6g}" for value in numbers(motion).values()]
        lengths = [f"{each.duration_s:.2f}" for each in (motion.commanded, motion.measured)]
        reasons = [motion.commanded.reason, motion.measured.reason, "; ".join(motion.alarms)]
        writer.writerow([*facts, *values, *lengths, *reasons])
    return file.getvalue()
