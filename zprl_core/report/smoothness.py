# SPDX-License-Identifier: Apache-2.0
"""How smoothly policies moved the arms, as a section of a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zprl_core.report import figures
from zprl_core.report.document import Figure, Part, Table
from zprl_core.report.runs import ReportRun, block_name
from zprl_core.smoothness.estimates import Estimate
from zprl_core.smoothness.report import ACCELERATION, VELOCITY, Group, groups, rows
from zprl_core.smoothness.writing import SHOWN

DRAWN = (VELOCITY, ACCELERATION, "measured_jerk", "measured_sparc")
"""Measures of the figure."""


def smoothness(runs: Sequence[ReportRun], out: Path) -> list[Part]:
    """Means, ratios to the base policy, and a figure of them, written into `out`."""
    found = [row for run in runs for row in rows(run.name, run.records, run.motions)]
    made = groups(found)
    if not made:
        return ["No run has the motion of an episode that counts (RUN/motion)."]
    order = [run.name for run in runs]
    made.sort(key=lambda group: (order.index(group.run), group.env_steps, not group.mode.startswith("base")))
    parts: list[Part] = [_smoothness_means(made)]
    if ratios := _smoothness_ratios(made):
        parts.append(ratios)
    panels = _panels([group for group in made if not group.case][: figures.LINES])
    if not panels:
        return parts
    figures.smoothness(panels, out / "smoothness.png")
    cut = f"; the first {figures.LINES} of {len(made)} rows of the table" if len(made) > figures.LINES else ""
    text = f"Smoothness, means over episodes with bootstrap 95 % intervals; axes do not begin at 0{cut}"
    return [*parts, Figure("smoothness.png", text)]


def _smoothness_means(made: Sequence[Group]) -> Table:
    rows = [
        [*_who(group, made), str(group.episodes), str(group.alarmed),
         *[_estimate(group.means[name]) for name in SHOWN]]
        for group in made
    ]  # fmt: skip
    header = [*_who_header(made), "episodes", "with an alarm", *SHOWN.values()]
    note = (
        "Means over episodes with bootstrap 95 % intervals. Vel_EE and Acc_EE are the paper's, of what the "
        "policy put out; `told` is of setpoints, the rest of how the arm moved."
    )
    return Table("smoothness", header, rows, note, wide=True)


def _smoothness_ratios(made: Sequence[Group]) -> Table | None:
    rows = [
        [*_who(group, made), *[_estimate(group.ratios[name]) for name in SHOWN]]
        for group in made
        if group.mode != "base_c" and any(group.ratios[name].value is not None for name in SHOWN)
    ]
    if not rows:
        return None
    header = [*_who_header(made), *(title.partition(",")[0] for title in SHOWN.values())]
    note = (
        "Ratios to the base policy through c, of the same run where that has it, else of the others; a case "
        "against the same case. Above 1 is rougher, of SPARC too."
    )
    return Table("table_2", header, rows, note, wide=True)


def _who_header(made: Sequence[Group]) -> list[str]:
    return ["run", "policy", *(["arm"] if _several_arms(made) else [])]


def _who(group: Group, made: Sequence[Group]) -> list[str]:
    policy = f"{block_name(group.block)}, {group.case}" if group.case else block_name(group.block)
    return [group.run, policy, *([group.arm] if _several_arms(made) else [])]


def _several_arms(made: Sequence[Group]) -> bool:
    return len({group.arm for group in made}) > 1


def _panels(made: Sequence[Group]) -> list[tuple[str, list[tuple[str, str, Estimate]]]]:
    names = [name for name in DRAWN if any(group.means[name].value is not None for group in made)]
    labels = [": ".join(_who(group, made)) for group in made]
    return [
        (SHOWN[name], [(label, g.mode, g.means[name]) for label, g in zip(labels, made, strict=True)])
        for name in names
    ]


def _estimate(found: Estimate) -> str:
    if found.value is None:
        return "-"
    if found.low is None or found.high is None:
        return _digits(found.value)
    return f"{_digits(found.value)} [{_digits(found.low)}, {_digits(found.high)}]"


def _digits(value: float) -> str:
    return f"{value:#.3g}".removesuffix(".")
