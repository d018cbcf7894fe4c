# SPDX-License-Identifier: Apache-2.0
"""Runs the graph of a replay: the policy node and the player."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from zprl_core import single_host
from zprl_core.config import RigConfig
from zprl_core.graph import NodeSpec
from zprl_core.replay.plans import STATS
from zprl_core.replay.session import Replay
from zprl_core.run_folder import read_json
from zprl_core.supervisor import Supervisor, node_command

POLL_S = 0.1


def play(replay: Replay, *, verbose: bool) -> None:
    """Play all bags to each policy, one after the other, and conclude.

    Raises:
        SessionError: a process died; names it, its exit code and its last lines.
    """
    try:
        for policy in replay.policies:
            nodes, folder = replay.nodes(policy), replay.folder(policy)
            print(_played(nodes, folder, replay.bags.rig, verbose=verbose), file=sys.stderr)
    except KeyboardInterrupt:
        replay.bags.note("it was ended before all was played: what follows is of the chunks until then")
    replay.conclude()


def _played(nodes: tuple[NodeSpec, ...], folder: Path, rig: RigConfig, *, verbose: bool) -> str:
    """Run until the player has played everything; says how much that was, and how fast."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with single_host.free_domain(os.environ) as domain:
        single_host.clean_shared_memory()
        profile = single_host.dds_profile(rig.dds_profile)
        environment = single_host.environment(profile, domain, folder / "logs" / "ros", os.environ)
        commands = [node_command(node, folder / "config") for node in nodes]
        echo = sys.stderr if verbose else None
        with Supervisor(commands, folder / "logs", environment, echo=echo) as supervisor:
            while (ended := supervisor.poll()) is None:
                time.sleep(POLL_S)
        if ended.name != "player_node" or ended.code != 0:
            raise ended.error()
    return _said(folder / STATS)


def _said(stats: Path) -> str:
    found = read_json(stats)
    pace = found["recorded_s"] / found["wall_s"] if found["wall_s"] else 0.0
    return (
        f"played {found['images']} images and {found['vectors']} vectors of {found['recorded_s']:.1f} s in "
        f"{found['wall_s']:.1f} s ({pace:.1f} times as fast), {found['chunks']} chunks planned"
    )
