"""Every file of the repository: nothing that is true on one machine only, and scripts that run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.repository import ROOT, files

BINARY = {".png", ".jpg", ".gif", ".npz", ".pt", ".stl", ".zip", ".mcap", ".pdf"}
HOMES = re.compile(r"/(?:home|Users)/[a-z]\w*/|(?<![\w.$}])/root/")
REGISTRIES = re.compile(
    r"pypi\." + r"org|pythonhosted|download\.pytorch|(?:extra-)?index-url\s+https?:|file:///"
)


def lines() -> list[tuple[Path, int, str]]:
    texts = [path for path in files(ROOT) if path.suffix not in BINARY and path.name != Path(__file__).name]
    return [
        (path.relative_to(ROOT), number, line)
        for path in texts
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
    ]


def test_no_file_names_a_path_of_one_machine() -> None:
    here = f"{ROOT}/" if len(ROOT.parts) > 2 else "\0"
    assert [(path, number) for path, number, line in lines() if HOMES.search(line) or here in line] == []


def test_no_file_names_a_registry() -> None:
    assert [(path, number) for path, number, line in lines() if REGISTRIES.search(line)] == []


@pytest.mark.parametrize("name", [".ci/run", "scripts/setup.sh"])
def test_scripts_are_executable_and_bash_can_read_them(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / name)], check=True)


def test_every_make_target_is_documented() -> None:
    make = shutil.which("make")
    assert make is not None
    shown = subprocess.run([make, "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test", "lint", "setup", "lock", "clean"):
        assert re.search(rf"make {target}\s+\S", shown), shown
