# SPDX-License-Identifier: Apache-2.0
"""The one folder that a run writes.

RUN/config/{task,rig}.yaml   the resolved settings that every node of the run loads
RUN/run.json                 what the run was started with
RUN/plan.json                its blocks, see zprl_core.plan
RUN/versions.json            what it was computed with, a list: one entry per start
RUN/ledger.jsonl             every outcome, undo and correction, see zprl_core.session.ledger
RUN/episodes.jsonl           one line per episode, see zprl_core.records
RUN/chunks.log               one line per chunk with hashes
RUN/transitions.log          every transition, see zprl_core.record_log
RUN/checkpoints/learner.ckpt the learner's newest state
RUN/stats/<node>.json        counters and times that the nodes leave
RUN/tb/                      TensorBoard events
RUN/motion/<arm>.jsonl       one line per episode: how smoothly the arm moved, see zprl_core.smoothness
RUN/bags/episode_<n>/        what was recorded of an episode, see zprl_core.bags
RUN/panel/, RUN/teleop/      what lets people into the panel and the teleoperation page, readable by their
                             owner only
RUN/live.json                while it runs: how to reach its session
RUN/logs/<node>.log          what the nodes printed
RUN/summary.json             the result
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from zprl_core.config import RigConfig, TaskConfig
from zprl_core.errors import CheckpointError, DataError

Mode = Literal["train", "evaluate", "collect"]
_FOLDERS = ("config", "checkpoints", "stats", "tb", "logs")
_KINDS = {"int": int, "bool": bool, "float": float}


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing: beside it, synced, renamed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, data: object) -> None:
    """Write JSON atomically.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot say.
    """
    write_text(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file whose top level is an object.

    Raises:
        DataError: missing, damaged, or something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise DataError(f"{path}: must hold an object, holds {type(data).__name__}")
    return data


@dataclass(frozen=True)
class RunSpec:
    """What a run was started with; a resumed run must say the same.

    Attributes:
        run_id: names the session; messages of another one are refused.
        mode: train, evaluate or collect.
        task, rig: names, for people; RUN/config holds the values.
        base: absolute path of the base policy's checkpoint.
        actor: for evaluate: absolute path of the trained run, empty for a base policy.
        seed: of every random draw.
        lockstep: simulated time.
        chunks: training chunks.
        eval_episodes: episodes per evaluation; for collect: demonstrations.
        shadow: motors stay off.
        operator: a person labels, on a simulated rig too.
        record: every episode becomes a bag; a resumed run may say otherwise.
        limit_s: for collect: longest demonstration, s.
        blind: people are not told which policy drives before the end.
        measured: for evaluate: digests of the files `base` and `actor` as they were at its start, so that no
            other policy is measured in a resumed one; empty: not known (older runs).
    """

    run_id: str
    mode: Mode
    task: str
    rig: str
    base: str
    actor: str
    seed: int
    lockstep: bool
    chunks: int
    eval_episodes: int
    shadow: bool = False
    operator: bool = False
    record: bool = False
    limit_s: float = 0.0
    blind: bool = False
    measured: str = ""


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run; `create` and `open` are the ways in."""

    path: Path

    @property
    def task_file(self) -> Path:
        """Resolved task."""
        return self.path / "config" / "task.yaml"

    @property
    def rig_file(self) -> Path:
        """Resolved rig."""
        return self.path / "config" / "rig.yaml"

    @property
    def spec_file(self) -> Path:
        """What the run was started with."""
        return self.path / "run.json"

    @property
    def plan_file(self) -> Path:
        """Blocks."""
        return self.path / "plan.json"

    @property
    def versions_file(self) -> Path:
        """What it was computed with."""
        return self.path / "versions.json"

    @property
    def live_file(self) -> Path:
        """How to reach the session while it runs: {"environment": {name: value}}; see `zprl session`."""
        return self.path / "live.json"

    @property
    def ledger_file(self) -> Path:
        """Every outcome, undo and correction."""
        return self.path / "ledger.jsonl"

    @property
    def episodes_file(self) -> Path:
        """One line per episode."""
        return self.path / "episodes.jsonl"

    @property
    def chunks_file(self) -> Path:
        """One line per chunk."""
        return self.path / "chunks.log"

    @property
    def checkpoints(self) -> Path:
        """Folder of the learner's checkpoints."""
        return self.path / "checkpoints"

    @property
    def learner_checkpoint(self) -> Path:
        """The learner's newest state."""
        return self.checkpoints / "learner.ckpt"

    def kept_checkpoint(self, transitions: int) -> Path:
        """The learner's state after so many training chunks, which stays."""
        return self.checkpoints / f"chunks_{transitions:06d}.ckpt"

    def kept_checkpoints(self) -> dict[int, Path]:
        """The states that were kept, by their training chunks, in order."""
        found = [(path.stem.removeprefix("chunks_"), path) for path in self.checkpoints.glob("chunks_*.ckpt")]
        return dict(sorted((int(chunks), path) for chunks, path in found if chunks.isdigit()))

    def learner_state(self, transitions: int | None) -> Path:
        """The learner's state after so many training chunks, or its newest one.

        Raises:
            CheckpointError: there is none.
        """
        kept = self.kept_checkpoints()
        if transitions is not None and transitions not in kept:
            have = ", ".join(map(str, kept)) or "none"
            raise CheckpointError(
                f"{self.path}: kept no state of {transitions} training chunks; those it kept: {have}"
            )
        path = self.learner_checkpoint if transitions is None else kept[transitions]
        if not path.is_file():
            raise CheckpointError(
                f"{path} does not exist: the run ended before its first checkpoint; go on with it by "
                f"{self.resumed_by}"
            )
        return path

    @property
    def transitions_file(self) -> Path:
        """The learner's log, see zprl_core.record_log."""
        return self.path / "transitions.log"

    @property
    def curves(self) -> Path:
        """Folder of TensorBoard events."""
        return self.path / "tb"

    @property
    def motion(self) -> Path:
        """Folder of how smoothly each arm moved, see zprl_core.smoothness.episode."""
        return self.path / "motion"

    @property
    def panel_link(self) -> Path:
        """The link that opens the operator's panel, readable by its owner only."""
        return self.path / "panel" / "link"

    @property
    def teleop_link(self) -> Path:
        """The same for the teleoperation page."""
        return self.path / "teleop" / "link"

    @property
    def logs(self) -> Path:
        """Folder of what the nodes printed."""
        return self.path / "logs"

    @property
    def bags(self) -> Path:
        """Folder of the recorded episodes."""
        return self.path / "bags"

    @property
    def summary_file(self) -> Path:
        """The result."""
        return self.path / "summary.json"

    @property
    def resumed_by(self) -> str:
        """What goes on with it, for a message."""
        return f"`zprl {self.spec.mode} --resume --out {self.path}`"

    @property
    def spec(self) -> RunSpec:
        """What the run was started with.

        Raises:
            DataError: run.json is missing or damaged; names the key.
        """
        data = read_json(self.spec_file)
        try:
            spec = RunSpec(**data)
        except TypeError as error:
            raise DataError(f"{self.spec_file}: {error}") from error
        for field in fields(spec):
            value, wanted = getattr(spec, field.name), _KINDS.get(str(field.type), str)
            if type(value) is not wanted:
                raise DataError(f"{self.spec_file}: {field.name} is {value!r}, not {wanted.__name__}")
        if spec.mode not in get_args(Mode):
            raise DataError(f"{self.spec_file}: mode is {spec.mode!r}, allowed: {', '.join(get_args(Mode))}")
        return spec

    @classmethod
    def create(cls, path: Path, spec: RunSpec, task: TaskConfig, rig: RigConfig) -> RunFolder:
        """Make a new run folder. run.json is written last: a folder without it is not a run.

        Raises:
            DataError: the folder exists and is not empty, or cannot be made.
        """
        refuse_used(path, "continue that run with --resume")
        folder = cls(path.absolute())
        for name in _FOLDERS:
            make_folder(folder.path / name)
        write_text(folder.task_file, yaml.safe_dump(task.to_dict(), sort_keys=False))
        write_text(folder.rig_file, yaml.safe_dump(rig.to_dict(), sort_keys=False))
        write_json(folder.spec_file, asdict(spec))
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """A run folder that exists.

        Raises:
            DataError: there is none.
        """
        folder = cls(path.absolute())
        if not folder.spec_file.is_file():
            what = "has no run.json" if path.is_dir() else "does not exist"
            raise DataError(f"{path}: {what}, so it is not a run folder")
        return folder

    def check_resumable(self, wanted: Mapping[str, Any]) -> None:
        """Whether a resumed run says the same as the one that was started.

        Args:
            wanted: fields of RunSpec that the user gave.

        Raises:
            DataError: names the field that differs.
        """
        given = asdict(self.spec)
        for key, value in wanted.items():
            if given[key] != value:
                raise DataError(
                    f"{self.path}: was started with {key} = {given[key]!r}, --resume was given {value!r}. "
                    "Leave it out or choose another --out"
                )

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process.

        Raises:
            DataError: another process holds it.
        """
        with (self.path / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise DataError(f"{self.path}: another process is running in this folder") from error
            yield

    @contextlib.contextmanager
    def live(self, address: Mapping[str, str]) -> Iterator[None]:
        """Meanwhile RUN/live.json says how to reach its session: `address`, variables of the environment."""
        write_json(self.live_file, {"environment": dict(address)})
        try:
            yield
        finally:
            self.live_file.unlink(missing_ok=True)

    def write_stats(self, node: str, data: Mapping[str, Any]) -> None:
        """Leave a node's counters; see `zprl_core.summary` for the keys that count."""
        folder = self.path / "stats"
        folder.mkdir(exist_ok=True)
        write_json(folder / f"{node}.json", dict(data))

    def read_stats(self) -> dict[str, dict[str, Any]]:
        """What the nodes left, by node."""
        return {file.stem: read_json(file) for file in sorted((self.path / "stats").glob("*.json"))}


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        DataError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be made: {error.strerror}. Choose another --out") from error


def refuse_used(path: Path, instead: str) -> None:
    """Refuse a path that already holds something.

    Raises:
        DataError: it is a file, or a folder that is not empty.
    """
    if path.is_dir() and any(path.iterdir()):
        raise DataError(f"{path}: exists and is not empty. Choose another --out, or {instead}")
    if path.exists() and not path.is_dir():
        raise DataError(f"{path}: is a file. Choose another --out")


def new_run_id() -> str:
    """A name that no other session has: date, time and eight random hex digits."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
