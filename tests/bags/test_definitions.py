"""Definitions of message types, from installed packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bags.conftest import HASH, MESSAGES, install
from zprl_core.bags.definitions import find_definition
from zprl_core.errors import DataError

RULE = "=" * 80


def test_a_definition_has_those_that_it_needs_behind_it_each_once(tmp_path: Path) -> None:
    found = find_definition("things/msg/Reading", [tmp_path / "empty", install(tmp_path)])
    stamp, part = MESSAGES["other/msg/Stamp"], MESSAGES["things/msg/Part"]
    own = MESSAGES["things/msg/Reading"]
    assert found.text == f"{own}\n{RULE}\nMSG: other/Stamp\n{stamp}\n{RULE}\nMSG: things/Part\n{part}"
    assert found.hash == HASH


def test_a_type_that_is_needed_twice_stands_there_once(tmp_path: Path) -> None:
    assert find_definition("things/msg/Pair", [install(tmp_path)]).text.count("MSG: ") == 1


def test_a_package_without_hashes(tmp_path: Path) -> None:
    prefix = install(tmp_path)
    (prefix / "share/other/msg/Stamp.json").unlink()
    assert find_definition("other/msg/Stamp", [prefix]).hash == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [("things/msg/Nothing", "no Nothing.msg in share/things/msg of"), ("things/Reading", "package/msg/Name")],
)
def test_a_type_that_is_not_there(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        find_definition(name, [install(tmp_path)])
