"""The processes of a session as the kernel sees them: who they are and what they hold."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SUPERVISOR = "zprl"
SHARED_MEMORY = Path("/dev/shm")
DELETED = " (deleted)"
_NODE = "__node:="


class Process(NamedTuple):
    """One of them. start: its start time in clock ticks, which tells it from a later one with the same id."""

    name: str
    pid: int
    start: int


class Sample(NamedTuple):
    """What a process holds: bytes, counts; `shared` is what it maps of /dev/shm, as file sizes."""

    rss: int
    anonymous: int
    handles: int
    threads: int
    shared: int


def of_run(run: Path) -> dict[str, Process]:
    """The supervisor and the nodes of the session in this folder, by name."""
    return {process.name: process for process in _all() if _belongs(process.pid, run)}


def gone(process: Process) -> bool:
    """Whether it has ended; one that its parent has not asked for yet has too."""
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return True
    return stat[0] in "ZX" or int(stat[19]) != process.start


def group_members(leader: int) -> list[int]:
    """Living processes of a process group."""
    found = []
    for process in _all():
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(process.pid) == leader and not gone(process):
                found.append(process.pid)
    return found


def sample(process: Process) -> Sample | None:
    """What a process holds now; None where it has ended."""
    folder = Path(f"/proc/{process.pid}")
    try:
        status = dict(
            line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
        )
        handles = len(list((folder / "fd").iterdir()))
        rss, anonymous = (1024 * int(status[key].split()[0]) for key in ("VmRSS", "RssAnon"))
    except (OSError, KeyError):
        return None
    shared = sum(size(path) for path in shared_files(process.pid))
    return Sample(rss, anonymous, handles, int(status["Threads"]), shared)


def shared_files(pid: int) -> set[Path]:
    """Files of /dev/shm that a process maps or has open."""
    found: set[Path] = set()
    with contextlib.suppress(OSError):
        maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
        found |= {Path(words[5]) for line in maps if len(words := line.split()) > 5 and _is_shared(words[5])}
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if _is_shared(str(target := entry.readlink())):
                    found.add(target)
    return found


def held() -> set[Path]:
    """Every file of /dev/shm that a living process maps or has open."""
    return set().union(*(shared_files(process.pid) for process in _all()))


def unlinked_files(pid: int) -> set[str]:
    """Names in /dev/shm of what a process maps or has open, and nobody else can find any more."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        found |= {
            line.split()[5] for line in lines if line.endswith(DELETED) and f" {SHARED_MEMORY}/" in line
        }
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(entry.readlink())
                if _is_shared(target) and target.endswith(DELETED):
                    found.add(target)
    return found


def _is_shared(path: str) -> bool:
    return path.startswith(f"{SHARED_MEMORY}/")


def size(path: Path) -> int:
    """Of a file in bytes, 0 where it is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _all() -> Iterator[Process]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_text().split("\0")
                start = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[19])
            except (OSError, IndexError):
                continue
            yield Process(_name(words), int(entry.name), start)


def _name(words: list[str]) -> str:
    named = [word.removeprefix(_NODE) for word in words if word.startswith(_NODE)]
    return named[0] if named else SUPERVISOR


def _belongs(pid: int, run: Path) -> bool:
    """Whether its command line names the folder, and it is a node or `zprl train`."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return False
    ours = "zprl_core.cli" in words or any(word.startswith(_NODE) for word in words)
    return ours and any(word == str(run) or word.startswith(f"{run}/") for word in words)
