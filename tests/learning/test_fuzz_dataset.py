# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in dataset.json: the dataset opens, or an error is addressed to the user."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.damage import FUZZ
from tests.learning.test_dataset_writing import made, write
from tests.learning.tiny import tiny_task, write_dataset
from zprl_core.config import TaskConfig
from zprl_core.data.dataset import load_dataset
from zprl_core.errors import ZprlError

Opened = tuple[Path, dict[str, Any], TaskConfig]
numbers = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats()
values = st.recursive(
    numbers | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@pytest.fixture(scope="module", params=["old", "new"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A folder, its dataset.json, and the task that it is for."""
    folder, task = tmp_path_factory.mktemp("fuzz") / "data", tiny_task()
    make: dict[str, Callable[[], None]] = {
        "old": lambda: write_dataset(folder, [9, 6]),
        "new": lambda: write(folder, task, made(9), made(6, 1)),
    }
    make[request.param]()
    return folder, json.loads((folder / "dataset.json").read_text()), task


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Ways to all values of plain data."""
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, value in inside for place in places(value, (*path, key)))]


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with one value replaced."""
    if not path:
        return value
    copy = json.loads(json.dumps(data))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


@FUZZ
@example(lambda places: ("rate_hz",), 10**400)
@example(lambda places: ("episodes", 0, "success"), [])
@example(lambda places: ("episodes", 0, "file"), 5)
@example(lambda places: ("cameras", "third_view", 0), float("inf"))
@given(st.randoms().map(lambda random: random.choice), values)
def test_any_value_anywhere(opened: Opened, choose: Callable[..., Any], value: Any) -> None:
    folder, index, task = opened
    text = json.dumps(changed(index, choose(places(index)), value))
    (folder / "dataset.json").write_text(text)
    with contextlib.suppress(ZprlError):
        data = load_dataset(folder, task)
        assert np.isfinite(data.actions).all() and len(data.actions) == 15
