# SPDX-License-Identifier: Apache-2.0
"""Domains, the DDS profile, and shared memory that dead processes left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zprl_core import single_host
from zprl_core.errors import ConfigError, RigError


def test_sessions_side_by_side_get_different_domains() -> None:
    with contextlib.ExitStack() as stack:
        domains = [stack.enter_context(single_host.free_domain({})) for _ in range(3)]
        assert len(set(domains)) == 3
        assert all(1 <= domain <= 101 for domain in domains)
    with single_host.free_domain({}) as again:
        assert again <= min(domains)


def test_a_given_domain_wins() -> None:
    with single_host.free_domain({"ROS_DOMAIN_ID": "42"}) as domain:
        assert domain == 42
        with (
            pytest.raises(RigError, match="ROS_DOMAIN_ID: 42 has a session already: end that one"),
            single_host.free_domain({"ROS_DOMAIN_ID": "42"}),
        ):
            pass
    with single_host.free_domain({"ROS_DOMAIN_ID": "42"}):
        pass
    with (
        pytest.raises(ConfigError, match="ROS_DOMAIN_ID: 'x' is not a domain"),
        single_host.free_domain({"ROS_DOMAIN_ID": "x"}),
    ):
        pass


def test_environment_keeps_what_the_caller_set(tmp_path: Path) -> None:
    found = single_host.environment(Path("/p.xml"), 7, tmp_path, {"OMP_NUM_THREADS": "4", "HOME": "/h"})
    assert found["ROS_DOMAIN_ID"] == "7"
    assert found["FASTDDS_DEFAULT_PROFILES_FILE"] == "/p.xml"
    assert found["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SYSTEM_DEFAULT"
    assert found["RMW_IMPLEMENTATION"] == "rmw_fastrtps_cpp"
    assert (found["OMP_NUM_THREADS"], found["HOME"]) == ("4", "/h")


def test_the_profile_is_found_or_named() -> None:
    assert single_host.dds_profile("single_host_shm").is_file()
    with pytest.raises(ConfigError, match=r"no DDS profile 'nothing\.xml'"):
        single_host.dds_profile("nothing")


def test_only_what_nobody_holds_is_removed(tmp_path: Path) -> None:
    for name in (
        "fastdds_dead",
        "fastdds_dead_el",
        "fastrtps_alive",
        "fastrtps_alive_el",
        "other",
        "other_el",
    ):
        (tmp_path / name).touch()
    for name in ("fastrtps_port1", "fastrtps_port1_el", "fastrtps_port1_sl", "sem.fastrtps_port1_mutex"):
        (tmp_path / name).touch()
    with (tmp_path / "fastrtps_alive_el").open() as alive, (tmp_path / "fastrtps_port1_sl").open() as shared:
        fcntl.flock(alive, fcntl.LOCK_EX)
        fcntl.flock(shared, fcntl.LOCK_SH)
        removed = single_host.clean_shared_memory(tmp_path)
        assert {path.name for path in removed} == {"fastdds_dead", "fastdds_dead_el"}
    removed = single_host.clean_shared_memory(tmp_path)
    assert "sem.fastrtps_port1_mutex" in {path.name for path in removed}
    assert {path.name for path in tmp_path.iterdir()} == {"other", "other_el"}


def test_real_segments_of_a_killed_process_are_removed_and_a_living_ones_stay(tmp_path: Path) -> None:
    pytest.importorskip("rclpy")
    code = (
        "import rclpy, sys\nrclpy.init()\nn = rclpy.create_node('n')\n"
        "print('up', flush=True)\nsys.stdin.read()"
    )
    profile = single_host.dds_profile("single_host_shm")
    with single_host.free_domain({}) as domain:
        environment = single_host.environment(profile, domain, tmp_path, os.environ)

        def node() -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-c", code],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            return process

        def files() -> set[Path]:
            return set(single_host.SHARED_MEMORY.glob("fast*_*"))

        before = files()
        killed = node()
        dead = files() - before
        assert dead
        killed.kill()
        killed.wait()
        living = node()
        held = {path for path in files() - before - dead if "_port" not in path.name}
        assert held
        single_host.clean_shared_memory()
        left = files()
        living.communicate(timeout=20)
    assert not {path for path in dead & left if "_port" not in path.name}
    assert held <= left
