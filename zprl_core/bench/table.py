# SPDX-License-Identifier: Apache-2.0
"""The table of `zprl bench`."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from zprl_core.bench.rows import Row
from zprl_core.bench.turns import rate
from zprl_core.tables import markdown, or_none
from zprl_core.versions import package_version, versions

HEADER = (
    "path",
    "ours",
    "cost",
    "beside",
    "cost",
    "times as much",
    "wanted",
    "met",
    "of the limit",
    "error",
)
PEERS = ("av", "openvino", "ros-rmw-fastrtps-cpp", "stable-baselines3", "xarm-python-sdk")
MET = {None: "", True: "yes", False: "no"}


def machine(threads: int) -> dict[str, Any]:
    """What the figures were measured on, and what else it was doing."""
    return {
        **versions(),
        "processor": processor(),
        "load": os.getloadavg(),
        "threads": threads,
        "giga_multiply_adds_a_second": round(rate() / 1e9, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "peers": {name: package_version(name) for name in PEERS},
    }


def processor() -> str:
    """Its name."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def told(about: dict[str, Any], rows: Sequence[Row]) -> str:
    """As Markdown."""
    peers = (f"{name} {version or 'not here'}" for name, version in about["peers"].items())
    lines = [
        f"{about['processor']}, {about['cpus']} CPUs, load {about['load'][0]:.1f}; "
        f"{about['giga_multiply_adds_a_second']} G float32 multiply-adds a second; "
        f"threads: {about['threads']}; "
        f"GPU: {about['gpu'] or 'none'}; torch {about['packages']['torch']}, {', '.join(peers)}; "
        f"commit {about['commit']}.",
        "What is computed: medians, in turns, of CPU time (of the clock with several threads, and on a GPU); "
        "limit: the multiply-adds at the rate of one large product. What several processes do together: "
        "of the clock, where a row does not say CPU.",
        "",
        markdown(HEADER, [_cells(row) for row in rows]),
    ]
    return "\n".join(lines)


def data(about: dict[str, Any], rows: Sequence[Row]) -> dict[str, Any]:
    """For a file: what cannot be had here is null."""
    derived = ({"ratio": or_none(row.ratio), "met": row.met} for row in rows)
    return {
        "machine": about,
        "rows": [_known(asdict(row)) | more for row, more in zip(rows, derived, strict=True)],
    }


def _known(row: dict[str, Any]) -> dict[str, Any]:
    return {key: or_none(value) if isinstance(value, float) else value for key, value in row.items()}


def _cells(row: Row) -> list[str]:
    reached = row.limit_ms is not None and not math.isnan(row.ours_cost)
    return [
        row.path,
        row.ours,
        _cost(row.ours_cost, row.unit),
        row.peer,
        _cost(row.peer_cost, row.unit),
        "" if math.isnan(row.ratio) else f"{row.ratio:.2f}",
        "" if row.wanted is None else row.wanted.told(row.unit),
        MET[row.met],
        f"{row.limit_ms / row.ours_cost:.0%}" if reached and row.limit_ms is not None else "",
        "" if row.error is None else f"{row.error:.1e}",
    ]


def _cost(value: float, unit: str) -> str:
    if math.isnan(value):
        return "not here"
    return f"{value:.{1 if value >= 10.0 else 2}f} ms" if unit == "ms" else f"{value:g} {unit}"
