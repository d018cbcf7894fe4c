# SPDX-License-Identifier: Apache-2.0
"""ROS 2 on one host: environment, a free domain, and shared memory that dead processes left.

Imports no ROS: everything here happens before a node starts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from zprl_core.errors import ConfigError, RigError

DOMAINS = range(1, 102)
"""Domains whose ports never collide with Linux's ephemeral ports, 0 left to others."""
SHARED_MEMORY = Path("/dev/shm")
_ADDRESS = (
    "ROS_DOMAIN_ID",
    "RMW_IMPLEMENTATION",
    "FASTDDS_DEFAULT_PROFILES_FILE",
    "ROS_AUTOMATIC_DISCOVERY_RANGE",
)
_PREFIXES = ("fastdds_", "fastrtps_")  # Fast DDS 3 and 2


def dds_profile(name: str) -> Path:
    """The Fast DDS profile of that name, from the source tree or from where zprl_bringup installed it.

    Raises:
        ConfigError: there is none.
    """
    repo = Path(__file__).resolve().parents[1] / "ros2_ws/src/zprl_bringup/config"
    prefixes = [*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), sys.prefix]
    folders = [repo, *(Path(p) / "share/zprl_bringup/config" for p in prefixes if p)]
    for folder in folders:
        path = folder / f"{name}.xml"
        if path.is_file():
            return path
    raise ConfigError(f"no DDS profile '{name}.xml' in {', '.join(map(str, folders))}")


def environment(profile: Path, domain: int, logs: Path, base: Mapping[str, str]) -> dict[str, str]:
    """What every process of a graph on one host gets.

    Args:
        profile: Fast DDS profile; a profile or RMW that `base` names already wins.
        domain: of the session.
        logs: folder for ROS's own log files.
        base: the caller's environment.
    """
    defaults = {
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
        "FASTDDS_DEFAULT_PROFILES_FILE": str(profile),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT",
        "ROS_LOG_DIR": str(logs),
        "RCUTILS_COLORIZED_OUTPUT": "0",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return {**defaults, **base, "ROS_DOMAIN_ID": str(domain)}


def address(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of a graph's environment that another process needs to take part in it."""
    return {name: environment[name] for name in _ADDRESS}


@contextlib.contextmanager
def free_domain(base: Mapping[str, str]) -> Iterator[int]:
    """The caller's ROS_DOMAIN_ID, or one that no other session of this kind on this host holds.

    Raises:
        ConfigError: ROS_DOMAIN_ID is not a domain.
        RigError: it, or every domain, is taken.
    """
    given, choice = base.get("ROS_DOMAIN_ID"), DOMAINS
    if given:
        if not given.isdigit() or int(given) > 232:
            raise ConfigError(f"ROS_DOMAIN_ID: {given!r} is not a domain, allowed: 0 to 232")
        choice = range(int(given), int(given) + 1)
    folder = Path(tempfile.gettempdir()) / f"zprl-domains-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for domain in choice:
        with (folder / str(domain)).open("w") as file:
            if _locked_by_nobody(file.fileno()):
                yield domain
                return
    if given:
        raise RigError(f"ROS_DOMAIN_ID: {given} has a session already: end that one, or give another domain")
    raise RigError(f"all ROS domains of {folder} are taken: end a session, or set ROS_DOMAIN_ID")


def clean_shared_memory(folder: Path = SHARED_MEMORY) -> list[Path]:
    """Remove Fast DDS segments and ports whose owner is dead; returns what was removed.

    A living owner holds an flock on the lock file beside each segment (`_el`, or `_sl` where it is shared),
    which the kernel drops when the owner dies.
    """
    removed = []
    locks = [p for p in folder.iterdir() if p.name.startswith(_PREFIXES) and p.name.endswith(("_el", "_sl"))]
    for name in sorted({lock.name[:-3] for lock in locks}):
        mine = [lock for lock in (folder / f"{name}_el", folder / f"{name}_sl") if lock.exists()]
        if not all(_abandoned(lock) for lock in mine):
            continue
        for path in (folder / name, *mine, folder / f"sem.{name}_mutex"):
            with contextlib.suppress(OSError):
                path.unlink()
                removed.append(path)
    return removed


def _abandoned(lock: Path) -> bool:
    try:
        if lock.stat().st_uid != os.getuid():
            return False
        with lock.open("r+") as file:
            return _locked_by_nobody(file.fileno())
    except OSError:
        return False


def _locked_by_nobody(descriptor: int) -> bool:
    """Take the lock if nobody holds it; it goes when the file is closed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
