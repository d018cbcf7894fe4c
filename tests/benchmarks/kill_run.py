"""A run folder of the kill test: starts of `zprl train` after one another, and the checks between them."""

from __future__ import annotations

import hashlib
import json
import random
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.benchmarks import kill_checks as checks
from tests.benchmarks.kill_checks import ENTERED, LABELS, Asked
from tests.benchmarks.kill_session import PANEL, Death, NotUpError, Start
from tests.ros import training
from zprl_core import checkpoint
from zprl_core.plan import TRAIN, position, read_plan
from zprl_core.records import EpisodeRecord, read_records
from zprl_core.rl.learner import KIND
from zprl_core.run_folder import RunFolder
from zprl_core.session.ledger import Entry, read_ledger

HOLDING = ("idle", "ready", "judging", "labelled", "paused", "stopped", "faulted")
MOST_EXECUTED = {"resetting": 0, "running": 6, **dict.fromkeys(HOLDING, 1)}
"""Chunks after a kill: a running episode has six at most; one under way when the state changed ends."""
STILL_S = 0.3
"""So long after a state changed to one in which the arm holds, nothing moves any more."""
TO_THE_END_S = 900.0
MOST_STARTS = 3


@dataclass(frozen=True)
class Task:
    """What all runs have in common."""

    file: Path
    base: Path
    chunks: int
    seed: int

    def words(self, run: Path, *more: str) -> list[str]:
        """Of `zprl`, for a new run."""
        words = ["train", "--rig", "sim_xarm6", "--task", str(self.file), "--base", str(self.base)]
        words += ["--out", str(run), "--chunks", str(self.chunks), "--eval-episodes", "1"]
        return [*words, "--seed", str(self.seed), "--record", *more]


class Run:
    """A run that is started, killed and taken up again."""

    MORE: tuple[str, ...] = ()

    def __init__(self, path: Path, task: Task, rng: random.Random) -> None:
        self.path, self.task, self.rng, self.folder = path, task, rng, RunFolder(path)
        self.asked: list[Asked] = []
        self.complaints: list[str] = []  # of starts that no kill followed
        self._since: list[Asked] = []  # what counts for the outcomes: not what was forgotten
        self._stack = ExitStack()
        self._start: Start | None = None

    @property
    def records(self) -> tuple[EpisodeRecord, ...]:
        """Episodes."""
        return read_records(self.folder.episodes_file)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Of the ledger."""
        return read_ledger(self.folder.ledger_file)

    @property
    def log(self) -> bytes:
        """The learner's."""
        file = self.folder.transitions_file
        return file.read_bytes() if file.exists() else b""

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """Lines of chunks.log."""
        return [json.loads(line) for line in training.lines(self.folder.chunks_file) if line.endswith("}")]

    @property
    def finished(self) -> bool:
        """Whether the plan is done."""
        return self.path.exists() and position(read_plan(self.folder.plan_file), self.records) is None

    def start(self) -> tuple[Start, list[str]]:
        """The session under way, or a new one; what going on has changed that it should not."""
        if self._start is not None:
            return self._start, []
        resumed = self.path.exists()
        dead, forgets = self.log, len([e for e in self.entries if e.event == "forget"])
        words = ["train", "--resume", "--out", str(self.path)]
        words = words if resumed else self.task.words(self.path, *self.MORE)
        problems: list[str] = []
        while self._start is None and len(problems) < MOST_STARTS:
            try:
                self._start = self._stack.enter_context(Start(self.path, words, self.rng))
            except NotUpError as error:
                problems.append(str(error))
                words = ["train", "--resume", "--out", str(self.path)]
        if self._start is None:
            raise RuntimeError(problems[-1])
        return self._start, problems + (self._check_going_on(dead, forgets) if resumed else [])

    def close(self) -> None:
        """End the session."""
        self._stack.close()
        self._stack, self._start = ExitStack(), None

    def _check_going_on(self, dead: bytes, forgets: int) -> list[str]:
        """Called where the session waits for its operator; a judged one has gone on by now."""
        forgotten = [entry.record.episode for entry in self.entries if entry.event == "forget"][forgets:]
        if forgotten:
            self._since = [one for one in self._since if one.episode < min(forgotten)]
        return []

    def _strike(self, start: Start, name: str) -> Death:
        """Kill, and check what does not need another start."""
        operator = start.operator
        assert operator is not None
        before, version = self.log, operator.version
        death = start.kill(name)
        if name != PANEL:
            self.asked += operator.asked
            self._since += operator.asked
            self._start = None
            self._stack.close()
            self._stack = ExitStack()
        death.problems += checks.log_survives(before, self.log, version)
        return death

    def check_end(self) -> list[str]:
        """Of a run whose plan is finished."""
        records, entries = self.records, self.entries
        problems = [*self.complaints, *([] if self.finished else ["the plan is not finished"])]
        problems += checks.ledger_in_effect(entries, records) + checks.labels_kept(self.asked, entries)
        problems += checks.outcomes_as_answered(self._since, records, ())
        problems += checks.log_agrees(self.log, records)
        return problems + checks.layouts_in_order(records, self.task.seed)


class Judged(Run):
    """With the automatic judge."""

    def kill(self, name: str, left: int) -> Death | None:
        """At a random time, so that `left` kills spread over the rest of the plan."""
        start, problems = self.start()
        operator = start.operator
        assert operator is not None
        rest = self.task.chunks - sum(r.chunks for r in self.records if r.block == TRAIN and not r.void)
        first = operator.episode
        enough = self.rng.uniform(0.0, max(1.0, rest / 6 / (left + 1)))
        operator.look(60.0, lambda: start.over or operator.episode - first >= int(enough))
        operator.look(self.rng.uniform(0.0, 0.6))
        if start.over or operator.state == "done":
            return None
        death = self._strike(start, name)
        death.problems += problems
        return death

    def finish(self) -> None:
        """To the end of the plan."""
        if not self.finished or self._start is not None:
            start, problems = self.start()
            self.complaints += problems
            assert start.operator is not None
            start.operator.look(TO_THE_END_S, lambda: start.over)
        self.close()

    def differences(self, other: Judged) -> list[str]:
        """What of two finished runs is not the same to the bit."""
        mine, theirs = self.hashes(), other.hashes()
        return [f"{name} is not that of the undisturbed run" for name in mine if mine[name] != theirs[name]]

    def hashes(self) -> dict[str, str]:
        """Of everything that a run with this seed must leave."""
        state = checkpoint.load(self.folder.learner_checkpoint, KIND).state
        files = {
            "chunks.log": self.folder.chunks_file,
            "episodes.jsonl": self.folder.episodes_file,
            "transitions.log": self.folder.transitions_file,
        }
        found = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
        return {**found, "the checkpoint": _digest(state)}


class Operated(Run):
    """With a person.

    Args:
        reference: an undisturbed run with the same seed.
    """

    MORE = ("--operator",)

    def __init__(self, path: Path, task: Task, rng: random.Random, reference: Judged) -> None:
        super().__init__(path, task, rng)
        self._starts = checks.starts(reference.chunks, reference.records)
        self._unanswered: list[Asked] = []

    def kill(self, name: str, state: str) -> Death | None:
        """Lead the session to a state, kill at a random time in it, check, and take the run up again."""
        start, problems = self.start()
        operator, rng = start.operator, self.rng
        assert operator is not None
        problems += self._ask_again(start)
        if rng.random() < 0.5:
            operator.finish_episode()
        for _ in range(5):
            if operator.go_to(state) or operator.state == "done":
                break
        if operator.state == "done":
            return None
        still = self._wait_in(start, state)
        pending = None
        if rng.random() < 0.33 and state in ("running", "judging", "labelled", "paused"):
            pending = operator.send("undo" if state == "labelled" else rng.choice(LABELS))
            operator.look(rng.uniform(0.0, 0.01))
        death = self._strike_with(start, name, pending)
        most = 0 if still and not pending and death.state in HOLDING else MOST_EXECUTED.get(death.state, 6)
        if death.executed > most:
            death.problems.append(f"{death.executed} chunks were executed after the kill")
        death.problems += problems
        return death

    def finish(self) -> None:
        """To the end of the plan."""
        while not self.finished:
            start, problems = self.start()
            assert start.operator is not None
            self.complaints += problems
            while start.operator.state != "done" and not start.over:
                start.operator.finish_episode()
            self.asked += start.operator.asked
            self._since += start.operator.asked
            start.operator.look(60.0, lambda: start.over)  # noqa: B023
            self.close()

    def check_end(self) -> list[str]:
        """See `Run.check_end`."""
        return super().check_end() + checks.same_starts(self.chunks, self.records, self._starts)

    def _wait_in(self, start: Start, state: str) -> bool:
        """A random time; whether the arm must be still by now."""
        operator, wait_s = start.operator, self.rng.uniform(0.0, 0.6)
        assert operator is not None
        if state in ("resetting", "running"):
            wait_s *= 0.03 if state == "resetting" else 0.5
        operator.look(wait_s, lambda: operator.state != state)
        return wait_s > STILL_S

    def _strike_with(self, start: Start, name: str, pending: Any) -> Death:
        operator = start.operator
        assert operator is not None
        if pending is None:
            return self._strike(start, name)
        before = len(self.asked)
        death = self._strike(start, name)
        one = pending.answered()
        if name == PANEL:
            operator.look(10.0, pending.done)
            operator.settle(pending)
            return death
        assert before <= len(self.asked)
        self.asked.append(one)
        self._since.append(one)
        if one.accepted is None:
            self._unanswered.append(one)
        return death

    def _check_going_on(self, dead: bytes, forgets: int) -> list[str]:
        super()._check_going_on(dead, forgets)
        records, entries = self.records, self.entries
        last = max((record.episode for record in records), default=-1)
        problems = checks.log_goes_on(dead, self.log, last)
        problems += checks.ledger_in_effect(entries, records) + checks.labels_kept(self.asked, entries)
        problems += checks.outcomes_as_answered(self._since, records, ())
        problems += checks.log_agrees(self.log, records) + checks.layouts_in_order(records, self.task.seed)
        chunks = [line for line in self.chunks if line["episode"] <= last]
        return problems + checks.same_starts(chunks, records, self._starts)

    def _ask_again(self, start: Start) -> list[str]:
        """What was not answered before, with the same id: it counts once, and was kept or is refused."""
        assert start.operator is not None
        problems = []
        for one in self._unanswered:
            kept = [entry for entry in self.entries if entry.command_id == one.id]
            again = start.operator.ask(one.name, one.value, one.episode, one.id)
            start.operator.asked.pop()
            in_effect = bool(kept) and one in self._since
            if again.accepted is not in_effect and one.name in ENTERED:
                problems.append(f"{one.name} of episode {one.episode}, asked again: {again.reason!r}, {kept}")
            self.asked = [replace(a, accepted=True) if a is one and kept else a for a in self.asked]
        self._unanswered = []
        return problems


def _digest(value: Any) -> str:
    """Of nested dictionaries, lists, tensors and plain values."""
    if isinstance(value, dict):
        return _digest([[repr(key), _digest(value[key])] for key in sorted(value, key=repr)])
    if isinstance(value, (list, tuple)):
        return hashlib.sha256("".join(_digest(one) for one in value).encode()).hexdigest()
    content = (
        value.detach().cpu().contiguous().numpy().tobytes()
        if hasattr(value, "detach")
        else repr(value).encode()
    )
    return hashlib.sha256(content).hexdigest()
