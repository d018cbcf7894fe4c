"""SIGKILL to every process of a training session in every state, a hundred times, and what is lost by it.

    python -m tests.benchmarks.kill_matrix --out runs/kills --kills 100 --seed 0

Four parts, on the simulated arm in lockstep, with a tiny task (36x48 images, 6 chunks an episode):

  reference  an undisturbed run with the automatic judge.
  learner    the same, and its learner is killed at random times; its end is compared with the reference's.
  judge      the same with every process in turn.
  operator   one run with a person who starts, begins, labels, pauses, stops, undoes and corrects through
             /session/label and /session/command. A process is killed in each state at a random time, in some
             of the kills while a label is on its way; then `zprl train --resume`. What was not answered is
             asked again with its id. At the end the plan is finished.

`tests.benchmarks.kill_checks` says what must hold. OUT/kills.jsonl gets a line per kill; the result is
printed as Markdown. In lockstep the world is simulated by the process of the arm's bridge.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import yaml

from tests.benchmarks.kill_report import print_report
from tests.benchmarks.kill_run import Judged, Operated, Run, Task
from tests.benchmarks.kill_session import Death
from tests.ros import training

NODES = (
    "arm_bridge",
    "camera_third_view",
    "proprioception_node",
    "policy_node",
    "learner_node",
    "session_node",
    "recorder_node",
    "panel_node",
    "zprl",
)
STATES = ("idle", "resetting", "ready", "running", "judging", "labelled", "paused", "stopped", "faulted")
MOST_TRIES = 3
AnyRun = TypeVar("AnyRun", bound=Run)


def main() -> None:
    """Run all parts and print the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=100, help="of the part with an operator")
    parser.add_argument("--judged-kills", type=int, default=20)
    parser.add_argument("--learner-kills", type=int, default=10)
    parser.add_argument("--chunks", type=int, default=480, help="of a judged run, half of the other's")
    parser.add_argument("--minutes", type=float, default=240.0, help="after these no more kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", action="store_true", help="of the kills in OUT so far")
    args = parser.parse_args()
    if args.report:
        print_report(args.out / "kills.jsonl", NODES, STATES)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no session is left behind
    out, seed = args.out.absolute(), args.seed
    out.mkdir(parents=True, exist_ok=True)
    began, log = time.monotonic(), out / "kills.jsonl"
    task = prepare(out, args.chunks, seed)
    with contextlib.ExitStack() as stack:
        reference = _opened(stack, Judged(out / "reference", task, random.Random(seed)))
        reference.finish()
        learner = _opened(stack, Judged(out / "learner", task, random.Random(seed + 3)))
        judged(learner, reference, ["learner_node"], args.learner_kills, log)
        judge = _opened(stack, Judged(out / "judge", task, random.Random(seed + 2)))
        judged(judge, reference, [*NODES, "auto_judge"], args.judged_kills, log)
        task = replace(task, chunks=2 * task.chunks)
        run = _opened(stack, Operated(out / "operator", task, random.Random(seed + 1), reference))
        operated(run, args.kills, log, began + 60.0 * args.minutes)
    print(f"\n{(time.monotonic() - began) / 60:.0f} min")
    print_report(log, NODES, STATES)


def _opened(stack: contextlib.ExitStack, run: AnyRun) -> AnyRun:
    stack.callback(run.close)
    return run


def prepare(out: Path, chunks: int, seed: int) -> Task:
    """The task's file and its base policy."""
    made = {**training.TINY, "horizon_steps": 96, "reset": "teleoperated"}
    file = out / "tiny.yaml"
    file.write_text(yaml.safe_dump(made))
    return Task(file, training.tiny_base(out, file), chunks, seed)


def operated(run: Operated, kills: int, log: Path, until_s: float) -> None:
    """Cell after cell in a random order, then random ones; then to the end of the plan."""
    cells = [(node, state) for node in NODES for state in STATES]
    run.rng.shuffle(cells)
    tries: Counter[tuple[str, str]] = Counter()
    made = 0
    while made < kills and not run.finished and time.monotonic() < until_s:
        cell = cells.pop(0) if cells else (run.rng.choice(NODES), run.rng.choice(STATES))
        tries[cell] += 1
        try:
            death = run.kill(*cell)
        except (AssertionError, RuntimeError) as error:
            death = Death(*cell, -1, problems=[f"the run could not be led there: {error}"])
            run.close()
        if death is None:
            break
        made += 1
        _note(log, "operator", death)
        if (death.process, death.state) != cell and tries[cell] < MOST_TRIES:
            cells.append(cell)
    run.finish()
    _note_end(log, "operator", run.check_end())


def judged(run: Judged, reference: Judged, nodes: list[str], kills: int, log: Path) -> None:
    """At random times; every node in turn."""
    part = run.path.name
    order = [nodes[i % len(nodes)] for i in range(kills)]
    run.rng.shuffle(order)
    for number, node in enumerate(order):
        death = run.kill(node, left=kills - number)
        if death is None:
            break
        _note(log, part, death)
    run.finish()
    _note_end(log, part, [*run.check_end(), *run.differences(reference)])


def _note(log: Path, part: str, death: object) -> None:
    line = {"part": part, **asdict(death)}  # type: ignore[call-overload]
    print(json.dumps(line), flush=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _note_end(log: Path, part: str, problems: list[str]) -> None:
    line = {"part": part, "end": True, "problems": problems}
    print(json.dumps(line), flush=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
