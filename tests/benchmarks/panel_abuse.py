"""Fifty training episodes at the panel of a real graph, in a real browser, while 200 things go wrong.

    python -m tests.benchmarks.panel_abuse --seed 0 [--out FOLDER]

Ends with exit code 1 where a label was lost, doubled or given to another episode: where what the pages showed
as accepted is not what ledger, episodes.jsonl, bags and the learner's log say. Needs chromium.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.panel_abuses import ABUSES, Abuse
from tests.benchmarks.panel_agreement import disagreements
from tests.benchmarks.panel_delays import Delays
from tests.benchmarks.panel_operator import Entry, Expectation, reasons
from tests.benchmarks.panel_stage import Stage, training_run
from tests.panel.chrome import chromium
from zprl_core import record_log
from zprl_core.records import read_records
from zprl_core.run_folder import RunFolder


@dataclass
class Tally:
    """What became of one kind of abuse."""

    times: int = 0
    sent: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, entries: Sequence[Entry]) -> None:
        """One more, with what the pages kept of it."""
        answers = [entry for entry in entries if entry["kind"] == "answer" and entry["accepted"] is not None]
        self.times += 1
        self.sent += len({entry["id"] for entry in entries if entry["kind"] in ("sent", "raw")})
        self.accepted += len({entry["id"] for entry in answers if entry["accepted"]})
        self.refused.update(reasons(entries))


def chosen(rng: random.Random, count: int) -> list[Abuse]:
    """Abuses by chance, each kind at least once where there are enough."""
    once = rng.sample(ABUSES, min(count, len(ABUSES)))
    more = rng.choices(ABUSES, [abuse.weight for abuse in ABUSES], k=count - len(once))
    return rng.sample([*once, *more], count)


def abused(stage: Stage, abuses: Sequence[Abuse], episodes: int) -> dict[str, Tally]:
    """Commit them, spread over that many episodes or more; the last one ends with a label."""
    tallies = {abuse.name: Tally() for abuse in ABUSES}
    for number in range(episodes):
        share = abuses[number * len(abuses) // episodes : (number + 1) * len(abuses) // episodes]
        for abuse in sorted(share, key=lambda abuse: abuse.state == "labelled"):
            desk = stage.reach_open() if abuse.state == "open" else stage.reach_labelled()
            stage.drain()
            try:
                abuse.do(stage, desk)
                stage.settle()
            except Exception as error:
                raise RuntimeError(f"{abuse.name!r} in episode {desk.episode}") from error
            tallies[abuse.name].add(stage.drain())
        stage.reach_labelled()
        if number + 1 < episodes:
            stage.next_episode()
    stage.drain()
    return tallies


def report(tallies: dict[str, Tally]) -> str:
    """Two Markdown tables: abuses by kind, and refusals by reason."""
    lines = ["| abuse | times | commands sent | accepted | refused or kept back |", "|---|---|---|---|---|"]
    total = Tally()
    for name, tally in tallies.items():
        if not tally.times:
            continue
        lines.append(
            f"| {name} | {tally.times} | {tally.sent} | {tally.accepted} | {tally.refused.total()} |"
        )
        total.times, total.sent = total.times + tally.times, total.sent + tally.sent
        total.accepted, total.refused = total.accepted + tally.accepted, total.refused + tally.refused
    lines.append(f"| **all** | {total.times} | {total.sent} | {total.accepted} | {total.refused.total()} |")
    lines += ["", "| refused, or kept back by the page, because | times |", "|---|---|"]
    return "\n".join([*lines, *(f"| {reason} | {count} |" for reason, count in total.refused.most_common())])


def outcomes(run: RunFolder) -> str:
    """How many episodes ended how, and how many of those endings are left out of learning."""
    counts = Counter(record.outcome for record in read_records(run.episodes_file))
    words = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    log = [entry for _, entry in record_log.read(run.transitions_file) if entry["kind"] == "transition"]
    left_out = sum(bool(entry["last"] and entry["excluded"]) for entry in log)
    return f"{counts.total()} episodes: {words}; {left_out} endings left out of learning"


def acceptance(folder: Path, seed: int, episodes: int, count: int) -> tuple[list[str], str]:
    """The whole thing; returns the disagreements and the report.

    Args:
        folder: empty; keeps the run.
        seed: of every choice.
        episodes: at least; those that an abuse ends are not counted.
        count: of abuses.
    """
    rng, began_s = random.Random(seed), time.monotonic()
    with training_run(folder) as path, chromium() as browser:
        stage = Stage(browser, path, rng)
        tallies = abused(stage, chosen(rng, count), episodes)
    run = RunFolder(path)
    expected = Expectation.of(stage.entries)
    (folder / "watched.json").write_text(json.dumps(stage.entries))
    wrong = disagreements(run, expected)
    minutes = (time.monotonic() - began_s) / 60.0
    parts = [
        report(tallies),
        Delays.of(run.ledger_file, stage.entries).table(),
        f"{outcomes(run)}; {minutes:.1f} min.",
    ]
    return wrong, "\n\n".join([*parts, f"Disagreements: **{len(wrong)}**"])


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--abuses", type=int, default=200)
    parser.add_argument("--out", type=Path, help="folder to keep the run in, new or empty")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        wrong, text = acceptance(folder, args.seed, args.episodes, args.abuses)
    print(text, *wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
