"""Any file is a task, a rig, or a ConfigError that names the file and what is wrong in it."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.damage import FUZZ, Change, damaged, damages
from zprl_core.config import RigConfig, TaskConfig, check_pair, load_rig, load_task
from zprl_core.errors import ConfigError

TASKS = ("place_orange_demo", "insert_bills", "flip_egg")
RIGS = ("sim_xarm6", "xarm6_place_orange_sim", "dual_open_box", "franka_flip_egg")
CONFIGS = Path(__file__).parents[2] / "hardware_config"
Where = tuple[str | int, ...]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("configs") / "mine.yaml"


def load(source: Path | Any, kind: str) -> TaskConfig | RigConfig:
    if isinstance(source, Path):
        return load_task(source) if kind == "task" else load_rig(source)
    return TaskConfig.from_dict(source, "data") if kind == "task" else RigConfig.from_dict(source, "data")


def outcome(source: Path | Any, kind: str) -> str:
    """The error about a file or its data; empty where it is a config that can be written and read back."""
    try:
        found = load(source, kind)
    except ConfigError as error:
        assert str(error).startswith(str(source) if isinstance(source, Path) else "data: "), error
        return str(error)
    assert type(found).from_dict(found.to_dict()) == found
    try:
        check_pair(*(found, load_task("place_orange_demo")) if isinstance(found, RigConfig) else (RIG, found))
    except ConfigError as error:
        assert RIG.name in str(error) or found.name in str(error)
    return ""


RIG = load_rig("sim_xarm6")
kinds = st.sampled_from(["task", "rig"])
texts = st.text(max_size=6) | st.sampled_from(["~", "null", "1e400", "sim", "../x", "a/b.yaml", "x" * 300])
numbers = st.integers(-3, 300) | st.integers() | st.just(10**400) | st.floats() | st.floats(1e-12, 1e3)
scalars = st.none() | st.booleans() | numbers | texts | st.dates()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(scalars.map(str), inner, max_size=3),
    max_leaves=6,
)


@functools.cache
def _plain(kind: str, name: str) -> Any:
    return (load_task(name) if kind == "task" else load_rig(name)).to_dict()


def places(data: Any, before: Where = ()) -> Iterator[Where]:
    """The way to everything in it."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*before, key)
        yield from places(value, (*before, key))


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, Any, Where]:
    """A valid config in which one thing is another one, missing, or too much; and where."""
    kind = draw(kinds)
    data = copy.deepcopy(_plain(kind, draw(st.sampled_from(TASKS if kind == "task" else RIGS))))
    where = draw(st.sampled_from(list(places(data))))
    inside = data
    for key in where[:-1]:
        inside = inside[key]
    how = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
    if how == "remove":
        del inside[where[-1]]
    elif how == "add" and isinstance(inside, dict):
        inside[f"{where[-1]}s"] = draw(values)
    else:
        inside[where[-1]] = draw(values)
    return kind, data, where


def _changed(name: str, value: Any, *where: str | int) -> tuple[str, Any, Where]:
    data = copy.deepcopy(_plain("rig" if name in RIGS else "task", name))
    inside = data
    for key in where[:-1]:
        inside = inside[key]
    inside[where[-1]] = value
    return ("rig" if name in RIGS else "task"), data, where


def _without(name: str, *where: str | int) -> tuple[str, Any, Where]:
    kind, data, _ = _changed(name, None, *where)
    inside = data
    for key in where[:-1]:
        inside = inside[key]
    del inside[where[-1]]
    return kind, data, where


@settings(FUZZ, max_examples=250)
@example(_changed("place_orange_demo", 10**400, "rate_hz"))
@example(_changed("sim_xarm6", 5e-324, "arms", 0, "servo_rate_hz"))
@example(_without("dual_open_box", "arms", 1))
@given(mutated())
def test_one_thing_that_is_wrong(case: tuple[str, Any, Where]) -> None:
    kind, data, where = case
    error = outcome(data, kind)
    assert not error or any(str(part) in error for part in where)


documents = [
    "? {a: b}\n: c\n",
    "? [a]\n: c\n",
    "a: 2001-13-45\n",
    "a: " + "9" * 5000 + "\n",
    "a: 0x" + "f" * 5000 + "\n",
    "a: " + "[" * 500,
    "&a {b: *a}\n",
    "a: &a [*a, {b: 1}]\n",
    "<<: {a: 1}\n",
    "a: !!binary x\n",
    "a: !!python/object:os.system x\n",
    "a: \x07\n",
    "extends: " + "x" * 5000 + "\n",
    "extends: ~nobody/x.yaml\n",
    'extends: "~nobody/x.yaml"\n',
    'extends: "a\\0b"\n',
    'extends: ""\n',
    "extends: ..\n",
    "extends: mine\n",
    "extends: sim_xarm6\narms: {arm: {1: 2}}\n",
    "extends: sim_xarm6\narms: {1: {a: 2}}\n",
    "extends: sim_xarm6\n1: {a: 2}\n",
]


@pytest.mark.parametrize("text", documents)
@pytest.mark.parametrize("kind", ["task", "rig"])
def test_documents_that_are_no_config(file: Path, kind: str, text: str) -> None:
    file.write_text(text)
    assert outcome(file, kind)


def test_a_parent_whose_names_are_no_names(file: Path) -> None:
    (file.parent / "parent.yaml").write_text("arms: [{name: [x]}, {name: 1}]\n")
    for child in ("arms: {x: {a: 1}}", "arms: {1: {a: 1}}", "arms: {[x]: {a: 1}}"):
        file.write_text(f"extends: parent\n{child}\n")
        with pytest.raises(ConfigError, match=r"(mine|parent)\.yaml: "):
            load_rig(file)


@settings(FUZZ, max_examples=60)
@given(kinds, st.sampled_from([*TASKS, *RIGS]), damages)
def test_a_damaged_file(file: Path, kind: str, name: str, made: list[Change]) -> None:
    whole = CONFIGS / ("tasks" if name in TASKS else "rigs") / f"{name}.yaml"
    file.write_bytes(damaged(whole.read_bytes(), made))
    outcome(file, kind)


@FUZZ
@given(kinds, values | st.dictionaries(st.sampled_from(["extends", "name", "arms", "rl", "1"]), values))
def test_any_document(file: Path, kind: str, data: Any) -> None:
    file.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8", errors="replace")
    assert outcome(file, kind)
