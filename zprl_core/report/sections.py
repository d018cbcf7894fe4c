# SPDX-License-Identifier: Apache-2.0
"""What a report says, section by section. What the runs cannot show is said where it is missing."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path

from zprl_core.measurement import comparison, measured, proportion
from zprl_core.pairing import pair
from zprl_core.plan import MEASURED, TRAIN
from zprl_core.records import EpisodeRecord
from zprl_core.report import figures
from zprl_core.report.curves import WINDOW, Point, points, running, steps_to
from zprl_core.report.document import Caution, Document, Figure, Part, Section, Table
from zprl_core.report.runs import Method, ReportRun, block_name, methods
from zprl_core.report.smoothness import smoothness
from zprl_core.stats import Proportion, mcnemar, paired_difference, pooled

RATE = 0.9
"""Whose controller steps the paper's Table I gives."""
FEW_SEEDS = 3
_HOUR = 3600.0


def report(runs: Sequence[ReportRun], out: Path, trajectories: Sequence[Part] = ()) -> Document:
    """Everything that these runs show; figures are written into `out`.

    Args:
        runs: of one task. out: a folder that exists. trajectories: what was drawn from bags.
    """
    found = methods(runs)
    task = runs[0].task
    cautions = [Caution(text) for text in doubts(runs, found)]
    sections = [
        Section("Success rates", _rates(runs, out)),
        Section("Learning", _learning(found, out)),
        Section("Steps to a success rate of 0.9, and the final rate (Table I)", _table_one(found)),
        Section("Policies on the same layouts", _paired(runs)),
        Section("Robustness (Table IV)", _table_four(runs)),
        Section("Smoothness (Table II)", smoothness(runs, out)),
        Section("The tool's way in the picture (Fig. 10)", trajectories or [_NO_BAGS]),
        Section("The steered latent", _guard(found, out)),
        Section("Rates and stalls", _timing(runs)),
        Section("Data and time (Table III)", _table_three(found)),
        Section("Where this comes from", _provenance(runs)),
    ]
    lead: list[Part] = [_lead(runs, found), *cautions]
    return Document(f"Online learning on {task.name}", lead, sections)


_NO_BAGS = "No bag of these runs has both pictures and poses: `--record` writes them."


def doubts(runs: Sequence[ReportRun], found: Sequence[Method]) -> list[str]:
    """What these runs cannot show."""
    said = []
    for method in found:
        seeds = len(method.runs)
        if seeds < FEW_SEEDS:
            one = "one seed only" if seeds == 1 else "two seeds only"
            said.append(
                f"{method.name}: {one}. Intervals are over episodes; how much the result varies from seed to "
                "seed, which no band shows here, is not known from it."
            )
        for seed in method.repeated:
            said.append(
                f"{method.name}: several runs have seed {seed}. They are not independent, so no band is "
                "drawn over the seeds."
            )
    for run in runs:
        if not any(record.counts for record in run.records):
            said.append(f"{run.name}: not one episode counts, so it says nothing.")
        elif not run.summary["complete"]:
            said.append(f"{run.name}: is not finished; its numbers are of what there is so far.")
        if shadow := run.summary["shadow_episodes"]:
            said.append(f"{run.name}: {_count(shadow, 'episode')} with the motors off left out.")
        if helped := [record for record in run.records if record.counts and record.helped_chunks]:
            won, episodes = sum(record.success for record in helped), _count(len(helped), "episode")
            said.append(
                f"{run.name}: a person had the arm in {episodes}, {won} of which succeeded. They count, so "
                "the policy alone may be worse; smoothness leaves them out."
            )
    for method in found:
        offline = {(run.offline.episodes, run.offline.ticks) for run in method.runs if run.offline}
        if len(offline) > 1:
            told = ", ".join(f"{episodes} episodes of {ticks} ticks" for episodes, ticks in sorted(offline))
            said.append(
                f"{method.name}: its seeds have base policies of different demonstrations ({told}): they "
                "differ in more than their seed."
            )
    commits = {_short(start.get("commit")) for run in runs for start in run.versions}
    if len(commits) > 1:
        said.append(
            f"These runs were made with {len(commits)} states of the code ({', '.join(sorted(commits))}), so "
            "a difference between runs may come from that."
        )
    if not found:
        said.append("No training run among these: nothing is said of learning.")
    return said


def _lead(runs: Sequence[ReportRun], found: Sequence[Method]) -> str:
    trained = sum(len(method.runs) for method in found)
    runs_of, settings = _count(len(runs), "run"), _count(len(found), "setting")
    return (
        f"{runs_of} of task {runs[0].task.name}: {trained} of training ({settings}), {len(runs) - trained} "
        "of evaluation. Rates carry their episodes and Wilson 95 % intervals; void episodes and those with "
        "the motors off are left out. The tables' numbers are in tables/*.csv."
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _rates(runs: Sequence[ReportRun], out: Path) -> list[Part]:
    table, bars = [], []
    for run in runs:
        for point in points(run):
            valid = measured(run.records, point.block)
            helped = sum(record.helped_chunks > 0 for record in valid)
            seconds = [1e-9 * (record.end_stamp_ns - record.start_stamp_ns) for record in valid]
            name, p = block_name(point.block), point.successes
            table.append([
                run.name, name, _trained(run, point), p.told(), f"{point.length:.0f}",
                f"{sum(seconds) / len(seconds):.1f}", str(helped),
            ])  # fmt: skip
            bars.append(figures.Bar(f"{run.name}: {name}", valid[0].mode, p.rate, *p.wilson()))
    if not table:
        cases = (
            "robustness cases are below" if any(record.case for run in runs for record in run.records) else ""
        )
        rest = cases or "success rates are those of training only"
        return [Caution(f"No evaluation on the task's own layouts among these runs: {rest}.")]
    figures.rates(bars[: figures.LINES], out / "rates.png")
    header = ["run", "policy", "trained, chunks", "success", "episode length, steps", "time, s", "helped"]
    note = "Mean length of all episodes, successes or not; helped: in which a person had the arm."
    cut = f"; the first {figures.LINES} of {len(bars)} rows of the table" if len(bars) > figures.LINES else ""
    return [
        Table("success", header, table, note),
        Figure("rates.png", f"Success rates with Wilson 95 % intervals{cut}"),
    ]


def _trained(run: ReportRun, point: Point) -> str:
    """After how many training chunks the policy was measured."""
    if run.trains:
        return str(point.chunks)
    if point.block.startswith("base"):
        return "0"
    kept = re.fullmatch(r"chunks_(\d+)", Path(run.spec.actor).stem)
    return str(int(kept[1])) if kept else "all of its run"


def _learning(found: Sequence[Method], out: Path) -> list[Part]:
    if not found:
        return ["No training run."]
    if not any(len(running(run.trained).steps) for method in found for run in method.runs):
        return [Caution(f"No run has {WINDOW} training episodes, so no learning curve is drawn.")]
    figures.learning(found, out / "learning.png")
    wide = any(len(method.runs) >= FEW_SEEDS and not method.repeated for method in found)
    band = (
        "Bands: Student's 95 % interval of the mean over seeds."
        if wide
        else "No band: fewer than three different seeds."
    )
    text = (
        f"Success and episode length while learning, running means over {WINDOW} training episodes, against "
        "controller steps of training; thin lines are seeds, thick ones their mean where all are known. "
        f"{band} Markers are evaluations without exploration, with Wilson 95 % intervals: full ones steered, "
        "hollow ones of the base policy through c, half-filled ones through z."
    )
    return [Figure("learning.png", text)]


def _table_one(found: Sequence[Method]) -> list[Part]:
    if not found:
        return ["No training run."]
    table = []
    for method in found:
        reached = [steps_to(run, RATE) for run in method.runs]
        known = [steps for steps in reached if steps is not None]
        seeds = ", ".join(
            _not_reached(run) if steps is None else f"{steps:.0f}"
            for run, steps in zip(method.runs, reached, strict=True)
        )
        # As in the paper: where a seed does not get there, there is no mean.
        mean = f"{sum(known) / len(known):.0f}" if len(known) == len(reached) else "N/A"
        finals = [proportion(run.records, "final") for run in method.runs]
        final = pooled(finals)
        each = "; ".join(p.told("-") for p in finals)
        last = [running(run.trained).success for run in method.runs]
        train = "; ".join(
            Proportion(round(curve[-1] * WINDOW), WINDOW).told() if len(curve) else "-" for curve in last
        )
        table.append([method.name, str(len(method.runs)), mean, seeds, final.told(), each, train])
    header = ["setting", "seeds", f"steps to {RATE:g}, mean", "by seed", "final, pooled", "final by seed",
              f"last {WINDOW} training episodes"]  # fmt: skip
    note = (
        f"Controller steps of training until the running mean over {WINDOW} episodes (exploring) first "
        f"reaches {RATE:g}; N/A where a seed does not. The pooled interval is over episodes and takes seeds "
        "for one population."
    )
    return [Table("table_1", header, table, note)]


def _not_reached(run: ReportRun) -> str:
    return "not reached" if run.summary["complete"] else "not reached so far"


def _paired(runs: Sequence[ReportRun]) -> list[Part]:
    parts: list[Part] = []
    inside = [
        [run.name, comparison(run.blocks, run.records)["says"]]
        for run in runs
        if not run.trains and any(not record.case for record in run.records)
    ]
    if inside:
        parts.append(Table("comparisons", ["evaluation", "what follows"], inside))
    table = []
    for (name, a, early), (other, b, late) in itertools.combinations(_measured_policies(runs), 2):
        pairs = pair(b, a)
        if pairs.count:
            low, high = paired_difference(pairs)
            gap = pairs.a.rate - pairs.b.rate
            table.append([
                other, name, str(pairs.count), str(pairs.both), str(pairs.only_a), str(pairs.only_b),
                str(pairs.neither), f"{gap:+.2f} [{low:+.2f}, {high:+.2f}]",
                "-" if early or late else f"{mcnemar(pairs):.2g}",
            ])  # fmt: skip
    if table:
        header = ["a", "b", "layouts", "both", "only a", "only b", "neither", "a - b", "McNemar p"]
        note = (
            "Episodes on the same layouts. The difference has Newcombe's paired 95 % interval; p is exact, "
            f"two-sided, of each comparison by itself, of which this table has {len(table)}; none where "
            "an evaluation could end early."
        )
        parts.append(Table("paired", header, table, note))
    if parts:
        return parts
    cases = any(record.case for run in runs for record in run.records)
    only = "Outside robustness cases, no" if cases else "No"
    return [Caution(f"{only} two policies were measured on the same layouts; give evaluations one seed.")]


def _measured_policies(runs: Sequence[ReportRun]) -> list[tuple[str, list[EpisodeRecord], bool]]:
    """Name, episodes, and whether their number was not fixed before."""
    found = []
    for run in runs:
        for block in MEASURED.values():
            if valid := measured(run.records, block):
                early = any(each.error_rate is not None for each in run.blocks)
                found.append((f"{run.name}: {block_name(block)}", valid, early))
    return found


def _table_four(runs: Sequence[ReportRun]) -> list[Part]:
    table = []
    for run in runs:
        found = run.summary["cases"]
        for row in found["rows"] if found else ():
            p = Proportion(row["successes"], row["episodes"])
            table.append([run.task.name, row["case"], run.name, block_name(row["block"]), p.told()])
        for block, rate in (found["average"] if found else {}).items():
            cases = [Proportion(r["successes"], r["episodes"]) for r in found["rows"] if r["block"] == block]
            told = f"{rate:.2f} over {len(cases)} cases; all trials together {pooled(cases).told()}"
            table.append([run.task.name, "average", run.name, block_name(block), told])
    if not table:
        return ["No robustness case was measured: `zprl evaluate --case all` does."]
    header = ["task", "test case", "run", "policy", "success"]
    note = "Trials unseen in training, as in the paper's Table IV; ten trials leave wide intervals."
    return [Table("table_4", header, table, note)]


def _guard(found: Sequence[Method], out: Path) -> list[Part]:
    if not figures.guards(found, out / "guard.png"):
        return [f"No training run has {figures.GUARD_WINDOW} steered chunks, so there is no curve."]
    text = (
        f"How far chunks were steered while learning (exploring), running means over {figures.GUARD_WINDOW} "
        "chunks, a line for each seed; dotted: the guard's limits. `zprl steering` says what that does "
        "to features and actions."
    )
    return [Figure("guard.png", text)]


def _timing(runs: Sequence[ReportRun]) -> list[Part]:
    table = []
    for run in runs:
        policy, summary = run.stats.get("policy_node", {}), run.summary
        period, learner = summary["control_period_ms"], run.stats.get("learner_node", {})
        inference = policy.get("inference_ms")
        table.append([
            run.name,
            "lockstep" if run.spec.lockstep else "real time",
            policy.get("backend", "-"),
            f"{inference['p50']:.1f} / {inference['p99']:.1f}" if inference else "-",
            f"{period['p50']:.2f} / {period['p99']:.2f}" if period else "-",
            str(summary["stalls"]), str(summary["skipped_steps"]), str(summary["updates"]),
            f"{learner['update_ms']:.1f}" if learner.get("update_ms") else "-", str(summary["excluded"]),
        ])  # fmt: skip
    header = ["run", "clock", "policy by", "inference, ms p50 / p99", "control period, ms p50 / p99",
              "stalls", "skipped waypoints", "updates", "update, ms",
              "transitions not learned from"]  # fmt: skip
    return [Table("timing", header, table)]


def _table_three(found: Sequence[Method]) -> list[Part]:
    if not found:
        return ["No training run."]
    table = []
    for method in found:
        for run in method.runs:
            training = [record for record in run.records if record.block == TRAIN and not record.void]
            seconds = sum(1e-9 * (record.end_stamp_ns - record.start_stamp_ns) for record in training)
            pairs, offline = sum(record.chunks for record in training), ("not known",) * 3
            if run.offline:
                hours = run.offline.ticks * run.task.tick_s / _HOUR
                offline = str(run.offline.episodes), str(run.offline.ticks), f"{hours:.2f}"
            online = str(len(training)), str(pairs), f"{seconds / _HOUR:.2f}"
            both = [" | ".join(pair) for pair in zip(offline, online, strict=True)]
            table.append([method.name, str(run.spec.seed), *both, _hours(run.summary["wall_s"])])
    header = ["setting", "seed", "# of trajs.", "# of (o, a)", "robot time, h", "wall time of the run, h"]
    note = (
        "[offline | online] as in the paper's Table III: of (o, a) one a tick offline, whose windows "
        "overlap, and one a chunk online. Robot time is that of motion, without resets; in "
        "lockstep it is simulated."
    )
    return [Table("table_3", header, table, note)]


def _hours(seconds: float) -> str:
    return f"{seconds / _HOUR:.2f}" if seconds else "not known"


def _commit(run: ReportRun) -> str:
    """Of all its starts, each once; "+": an edited tree."""
    return ", ".join(dict.fromkeys(_short(start.get("commit")) for start in run.versions)) or "unknown"


def _short(commit: str | None) -> str:
    return "unknown" if not commit else commit[:12] + "+" * commit.endswith("+")


def _provenance(runs: Sequence[ReportRun]) -> list[Part]:
    table = []
    for run in runs:
        start = run.versions[-1] if run.versions else {}
        packages = start.get("packages", {})
        config = hashlib.sha256(json.dumps(run.task.to_dict(), sort_keys=True).encode()).hexdigest()[:12]
        table.append([
            run.name, _commit(run), config, str(run.spec.seed), run.spec.rig,
            f"{start.get('platform', 'unknown')}, {start.get('cpus', '?')} CPUs",
            f"Python {start.get('python')}, torch {packages.get('torch')}, mujoco {packages.get('mujoco')}",
            str(len(run.versions)),
        ])  # fmt: skip
    header = ["run", "commit", "task settings", "seed", "rig", "machine", "versions", "starts"]
    note = "Task settings: the first digits of the SHA-256 of RUN/config/task.yaml as it was read."
    return [Table("provenance", header, table, note)]
