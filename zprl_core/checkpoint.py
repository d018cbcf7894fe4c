"""Checkpoints: one file, written beside and renamed, that says what it is and which task it belongs to.

The file is torch's zip format and is read with `weights_only=True`: tensors and plain data, no code.
"""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zprl_core import __version__
from zprl_core.config import TaskConfig, loader
from zprl_core.errors import CheckpointError
from zprl_core.provenance import Provenance

FORMAT = 2
READABLE = (1, FORMAT)
"""Format 1 does not say where a checkpoint comes from."""
TASK_KEYS = (
    "name",
    "rate_hz",
    "observation",
    "action",
    "policy",
    "bottleneck.latent_dim",
    "bottleneck.hidden",
    "bottleneck.layers",
)
"""What a checkpoint's task and the task at hand must agree on."""


_UNREADABLE = (
    RuntimeError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
)


@dataclass(frozen=True)
class Checkpoint:
    """Contents of a file: what kind of state, the task as plain data (L is in it), and the state itself.

    provenance: the cell that it was learned on or from; None: not known.
    """

    kind: str
    task: dict[str, Any]
    state: dict[str, Any]
    source: str = "checkpoint"
    provenance: Provenance | None = None

    def task_config(self) -> TaskConfig:
        """The task it belongs to."""
        return TaskConfig.from_dict(self.task, source=self.source)


def save(
    path: Path,
    kind: str,
    task: dict[str, Any],
    state: dict[str, Any],
    provenance: Provenance | None = None,
) -> None:
    """Write the whole file or nothing.

    Args:
        path: of the checkpoint; its folder is made.
        kind: such as "base policy" or "learner"; `load` asks for it.
        task: `TaskConfig.to_dict()`; kept with its fingerprint.
        state: nested dicts and lists of tensors, numbers and strings.
        provenance: the cell that it was learned on or from; None: not known.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "format": FORMAT,
        "kind": kind,
        "task": task,
        "fingerprint": loader.fingerprint(task, TASK_KEYS),
        "versions": {"zprl": __version__, "torch": str(torch.__version__)},
        "provenance": None if provenance is None else provenance.to_dict(),
        "state": state,
    }
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load(path: Path, kind: str) -> Checkpoint:
    """Read a checkpoint of the given kind.

    Raises:
        CheckpointError: the file is missing, is not a checkpoint, is truncated or damaged, or holds another
            kind or format; names the file and what is wrong.
        ConfigError: its provenance is none; names the file and the key.
    """
    with _as_checkpoint_errors(path):
        _check_sums(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or not {"format", "kind", "task", "state"} <= content.keys():
        raise CheckpointError(f"{path} is a torch file but not a ZPRL checkpoint")
    if content["format"] not in READABLE:
        known = " and ".join(map(str, READABLE))
        raise CheckpointError(f"{path}: format is {content['format']!r}, this version reads {known}")
    if content["kind"] != kind:
        raise CheckpointError(f"{path} holds a {content['kind']}, a {kind} is needed")
    for key in ("task", "state"):
        if not isinstance(content[key], dict):
            raise CheckpointError(f"{path}: {key} is {type(content[key]).__name__}, not a mapping")
    found = content.get("provenance")
    provenance = None if found is None else Provenance.from_dict(found, f"{path}: provenance")
    return Checkpoint(kind, content["task"], content["state"], str(path), provenance)


def _check_sums(path: Path) -> None:
    """torch reads a file without looking at the checksums that it wrote."""
    with zipfile.ZipFile(path) as file:
        damaged = file.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged} does not match its checksum")


@contextmanager
def _as_checkpoint_errors(path: Path) -> Iterator[None]:
    try:
        if path.is_file() and not zipfile.is_zipfile(path):
            raise CheckpointError(
                f"{path} is truncated or not a checkpoint ({path.stat().st_size} bytes); "
                "copy it again, or make a new one"
            )
        yield
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist; `zprl pretrain` makes a base checkpoint") from error
    except IsADirectoryError as error:
        raise CheckpointError(f"{path} is a folder, a checkpoint is a file") from error
    except _UNREADABLE as error:
        raise CheckpointError(
            f"{path} is damaged or not a checkpoint: {_first_line(error)}; copy it again, or make a new one"
        ) from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__


def require_same_task(path: Path, trained_for: TaskConfig, wanted: TaskConfig) -> None:
    """Refuse a checkpoint of another task.

    Raises:
        CheckpointError: names the fields that differ, with both values.
    """
    different = trained_for.differences(wanted, *TASK_KEYS)
    if different:
        raise CheckpointError(
            f"{path} was trained for task '{trained_for.name}' and does not fit task '{wanted.name}'. "
            f"In the checkpoint, in the task: {'; '.join(different)}. "
            "Choose the checkpoint's task, or pretrain again"
        )
