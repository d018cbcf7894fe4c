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

from zprl_core.bench.turns import Row, rate
from zprl_core.tables import markdown
from zprl_core.versions import package_version, versions

HEADER = ("path", "ours", "ms", "beside", "ms", "times as fast", "wanted", "of the limit", "error")
PEERS = ("openvino", "stable-baselines3")


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
    lines = [
        f"{about['processor']}, {about['cpus']} CPUs, load {about['load'][0]:.1f}; "
        f"{about['giga_multiply_adds_a_second']} G float32 multiply-adds a second; "
        f"threads: {about['threads']}; "
        f"GPU: {about['gpu'] or 'none'}; torch {about['packages']['torch']}, commit {about['commit']}.",
        "Times: medians, in turns, of CPU time (of the clock with several threads, and on a GPU). Limit: the "
        "multiply-adds at the rate of one large product.",
        "",
        markdown(HEADER, [_cells(row) for row in rows]),
    ]
    return "\n".join(lines)


def data(about: dict[str, Any], rows: Sequence[Row]) -> dict[str, Any]:
    """For a file: what cannot be had here is null."""
    return {"machine": about, "rows": [{**_known(asdict(row)), "ratio": _or_none(row.ratio)} for row in rows]}


def _known(row: dict[str, Any]) -> dict[str, Any]:
    return {key: _or_none(value) if isinstance(value, float) else value for key, value in row.items()}


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _cells(row: Row) -> list[str]:
    ratio = "" if math.isnan(row.ratio) else f"{row.ratio:.2f}"
    reached = row.limit_ms is not None and not math.isnan(row.ours_ms)
    return [
        row.path,
        row.ours,
        _ms(row.ours_ms),
        row.peer,
        _ms(row.peer_ms),
        ratio,
        "" if row.wanted is None else f"{row.wanted:g}",
        f"{row.limit_ms / row.ours_ms:.0%}" if reached and row.limit_ms is not None else "",
        "" if row.error is None else f"{row.error:.1e}",
    ]


def _ms(value: float) -> str:
    return "not here" if math.isnan(value) else f"{value:.1f}"
