"""pyproject.toml and constraints.txt: imports are declared, and the pins fit every supported Python."""

from __future__ import annotations

from importlib.metadata import packages_distributions
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.repository import (
    PYTHON_PACKAGES,
    ROOT,
    SOURCE,
    imported_modules,
    python_folder,
    read_toml,
)

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
PROJECT: dict[str, Any] = read_toml(ROOT / "pyproject.toml")["project"]
INTERFACES = read_toml(SOURCE / "zprl_interfaces/pyproject.toml")["build-system"]["requires"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
# Neither is in this environment: they come with an apt-installed ROS 2.
APT_ONLY = {"launch", "launch_ros"}
# They read what was exported, in an environment of their own (scripts/format_readers.sh).
READERS = {"lerobot", "robomimic"}
VENDORS = {"franky", "pyrealsense2", "serial", "xarm"}
# Modules in wheels that say nothing of what they hold.
SILENT = {"pinocchio": "pin"}


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def pins(python: str) -> dict[str, str]:
    """Package -> version, of the lines of constraints.txt that apply to a Python on Linux x86_64."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.7",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    found: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate(environment):
            continue
        (specifier,) = requirement.specifier
        assert specifier.operator == "==" and "*" not in specifier.version, f"not an exact version: {line}"
        name = canonicalize_name(requirement.name)
        assert name not in found, f"two versions of {name} on Python {python}"
        found[name] = specifier.version
    return found


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_is_pinned_to_a_version_that_it_allows(python: str) -> None:
    pinned = pins(python)
    for text in [
        *PROJECT["dependencies"],
        *INTERFACES,
        *(line for extra in EXTRAS.values() for line in extra),
    ]:
        requirement = Requirement(text)
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{text} is not in constraints.txt: run make lock"
        assert requirement.specifier.contains(version), f"{text}, pinned to {version} on Python {python}"


def test_torch_has_one_version_on_every_python() -> None:
    assert len({pins(python)["torch"] for python in PYTHONS}) == 1


def test_the_build_requirements_of_the_interfaces_stand_in_both_files() -> None:
    assert sorted(EXTRAS["interfaces"]) == sorted(INTERFACES)


def undeclared(imported: set[str], declared: set[str]) -> set[str]:
    """Imported modules that no declared distribution provides."""
    providers = packages_distributions()
    ours = {*PYTHON_PACKAGES, "zprl_interfaces", *APT_ONLY, *VENDORS}
    return {
        module
        for module in imported - ours
        if not declared
        & {canonicalize_name(name) for name in providers.get(module, [SILENT.get(module, "")])}
    }


@pytest.mark.parametrize("package", PYTHON_PACKAGES)
def test_every_import_of_a_package_is_declared(package: str) -> None:
    assert undeclared(imported_modules(python_folder(package)), names(PROJECT["dependencies"])) == set()


def test_every_import_of_scripts_and_tests_is_declared() -> None:
    imported = imported_modules(ROOT / "scripts") | imported_modules(ROOT / "tests")
    helpers = {path.stem for path in (ROOT / "tests").rglob("*.py")} | {"scripts", "tests", "tomli"}
    extras = [line for extra in ("dev", "formats", "interfaces") for line in EXTRAS[extra]]
    declared = names([*PROJECT["dependencies"], *extras, "packaging"])
    assert undeclared(imported - helpers - READERS, declared) == set()
