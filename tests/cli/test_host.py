"""What a start finds on this host before it writes anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.panel.bench import free_port
from zprl_core import single_host, start
from zprl_core.errors import RigError
from zprl_core.prepared import Prepared
from zprl_core.session_options import SessionOptions


def collection(out: Path, teleop: str = "") -> Prepared:
    options = SessionOptions.of_demonstrations(teleop=teleop or f"127.0.0.1:{free_port()}")
    return start.collection(rig="sim_xarm6", task="place_orange_demo", out=out, episodes=1, options=options)


def test_a_page_that_cannot_be_served_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RigError, match=r"10\.9\.9\.9.*--teleop"):
        collection(tmp_path / "run", "10.9.9.9:8771")
    assert not (tmp_path / "run").exists()


def test_a_domain_that_another_session_has_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with single_host.free_domain({}) as taken:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(taken))
        with pytest.raises(RigError, match=f"ROS_DOMAIN_ID: {taken} has a session already"):
            collection(tmp_path / "run")
    assert not (tmp_path / "run").exists() and os.environ["ROS_DOMAIN_ID"] == str(taken)
    collection(tmp_path / "run")
    assert (tmp_path / "run" / "run.json").exists()
