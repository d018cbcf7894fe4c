"""Damaged files of a run folder: something that is whole, or an error that names the file."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.cli.conftest import SPEC
from tests.damage import FUZZ, Change, damaged, damages, left_alone
from zprl_core.cli import session
from zprl_core.config import load_rig, load_task
from zprl_core.errors import DataError, ZprlError
from zprl_core.plan import Block, position, read_plan, training_plan, write_plan
from zprl_core.run_folder import RunFolder, RunSpec, write_json

PLAN = training_plan(30, 4, 10)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NESTED: list[Change] = [lambda _: b"[" * 100_000]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("runs") / "run"
    made = RunFolder.create(folder, SPEC, load_task("place_orange_demo"), load_rig("sim_xarm6"))
    write_plan(made.plan_file, PLAN)
    write_json(made.live_file, {"environment": {"ROS_DOMAIN_ID": "7"}})
    return made


@pytest.fixture(scope="module")
def whole(run: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run.plan_file, run.spec_file, run.live_file)}


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def check_plan(path: Path) -> None:
    for block in read_plan(path):
        assert Block.from_dict(dataclasses.asdict(block)) == block
    position(read_plan(path), [])


def check_spec(path: Path) -> None:
    spec = RunFolder(path.parent).spec
    for field in dataclasses.fields(RunSpec):
        assert type(getattr(spec, field.name)) is type(getattr(SPEC, field.name))
    assert spec.mode in ("train", "evaluate")


@settings(FUZZ, max_examples=60)
@example(NESTED)
@given(damages)
def test_a_damaged_plan_or_spec(run: RunFolder, whole: dict[str, bytes], made: list[Change]) -> None:
    for path, check in ((run.plan_file, check_plan), (run.spec_file, check_spec)):
        path.write_bytes(damaged(whole[path.name], made))
        with left_alone(path):
            check(path)
        path.write_bytes(whole[path.name])


@settings(FUZZ, max_examples=100)
@given(st.sampled_from(["name", "mode", "episodes", "chunks", "more"]), plain, st.booleans())
def test_a_block_with_another_key(run: RunFolder, key: str, value: Any, gone: bool) -> None:
    blocks = [dataclasses.asdict(block) for block in PLAN]
    blocks[2].pop(key, None)
    if not gone:
        blocks[2][key] = value
    run.plan_file.write_text(json.dumps(blocks))
    with left_alone(run.plan_file):
        check_plan(run.plan_file)


@settings(FUZZ, max_examples=100)
@given(
    st.sampled_from([*(field.name for field in dataclasses.fields(RunSpec)), "more"]), plain, st.booleans()
)
def test_a_spec_with_another_key(run: RunFolder, key: str, value: Any, gone: bool) -> None:
    data = dataclasses.asdict(SPEC)
    data.pop(key, None)
    if not gone:
        data[key] = value
    run.spec_file.write_text(json.dumps(data))
    with left_alone(run.spec_file):
        try:
            check_spec(run.spec_file)
        except DataError as error:
            assert key in str(error)
            raise


environments: st.SearchStrategy[Any] = plain | st.dictionaries(
    st.sampled_from(["", "A=B", "A\0B", "\ud800"]), st.text(max_size=3), min_size=1
)


@settings(FUZZ, max_examples=50)
@example({"A": 1})
@example({"A": "\0"})
@example({"\ud800": ""})
@given(environments.filter(lambda value: not _usable(value)))
def test_a_session_that_cannot_be_reached(run: RunFolder, value: Any) -> None:
    contents: list[Any] = [{"environment": value}, value, [value], {}]
    for content in contents:
        run.live_file.write_text(json.dumps(content))
        with left_alone(run.live_file):
            with pytest.raises(ZprlError) as refused:
                _state(run.path)
            raise refused.value


def _usable(value: Any) -> bool:
    """Whether it could be an environment; asking a session would take seconds."""
    if isinstance(value, dict) and "environment" in value:
        return True
    try:
        os.environ.update(value)
    except (TypeError, ValueError, AttributeError, OSError):
        return False
    return True


def _state(folder: Path) -> None:
    session.run(argparse.Namespace(folder=folder, action="state"))
