# SPDX-License-Identifier: Apache-2.0
"""The graph as `launch_ros` actions, for launch/*.launch.py. Wiring only: the graph is `zprl_core.graph`.

`launch` exists where ROS 2 was installed with apt; `zprl launch` starts the same graph where it does not.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zprl_core import launch_arguments, single_host
from zprl_core.config import RigConfig
from zprl_core.errors import ConfigError
from zprl_core.graph import NodeSpec
from zprl_core.prepared import Prepared, note_versions
from zprl_core.records import read_records
from zprl_core.run_folder import Mode
from zprl_core.summary import write_summary
from zprl_core.supervisor import RESPAWN_S

GRACE_S = "20"
"""Time between SIGINT and SIGTERM, s: the learner writes a checkpoint."""


def node_arguments(spec: NodeSpec, environment: Mapping[str, str]) -> dict[str, Any]:
    """Keyword arguments of `launch_ros.actions.Node` and `LifecycleNode` for one process of the graph."""
    return {
        "package": spec.package,
        "executable": spec.executable,
        "name": spec.name,
        "namespace": "/",
        "parameters": [spec.plain_parameters()],
        "additional_env": {**environment, **spec.environment},
        "output": "both",
        "sigterm_timeout": GRACE_S,
    }


def single_host_environment(rig: RigConfig, logs: Path) -> dict[str, str]:
    """What a single-host rig needs beside the caller's environment; what the caller set wins."""
    profile = single_host.dds_profile(rig.dds_profile)
    wanted = single_host.environment(profile, 0, logs / "ros", {})
    return {k: v for k, v in wanted.items() if k != "ROS_DOMAIN_ID" and k not in os.environ}


def description(mode: Mode) -> Any:
    """The `LaunchDescription` of a mode: its arguments, and its graph once they are known."""
    return _description(mode, ("rig", "task"), lambda context: _session(mode, context))


def replay_description() -> Any:
    """The `LaunchDescription` of a replay of one policy: its arguments, and its graph once they are known."""
    return _description(launch_arguments.REPLAY, ("bag", "policy"), _replay)


def _description(mode: str, required: Sequence[str], actions: Callable[[Any], list[Any]]) -> Any:
    from launch.actions import DeclareLaunchArgument, OpaqueFunction

    from launch import LaunchDescription

    declared = [
        DeclareLaunchArgument(name, description=text, **({} if name in required else {"default_value": ""}))
        for name, text in launch_arguments.LAUNCH_ARGUMENTS[mode].items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=actions)])


def _given(mode: str, context: Any) -> dict[str, str]:
    from launch.substitutions import LaunchConfiguration

    names = launch_arguments.LAUNCH_ARGUMENTS[mode]
    return {name: LaunchConfiguration(name).perform(context) for name in names}


def _session(mode: Mode, context: Any) -> list[Any]:
    prepared = launch_arguments.prepare(mode, _given(mode, context))
    environment = single_host_environment(prepared.rig, prepared.folder.logs)
    atexit.register(held(prepared, environment).close)
    note_versions(prepared.folder)
    return _processes(prepared.nodes, environment)


def held(prepared: Prepared, environment: Mapping[str, str]) -> contextlib.ExitStack:
    """Holds the run's folder and says there how to reach its session, until it is closed: when all processes
    have ended. Then the run is summed up.

    Args:
        prepared: the session. environment: of its processes, beside this one's.

    Raises:
        DataError: another process is running in this folder.
    """
    folder, whole = prepared.folder, {"ROS_DOMAIN_ID": "0", **os.environ, **environment}
    with contextlib.ExitStack() as stack:
        stack.enter_context(folder.lock())
        stack.enter_context(folder.live(single_host.address(whole)))
        stack.callback(lambda: write_summary(folder, prepared.blocks, read_records(folder.episodes_file)))
        return stack.pop_all()


def _replay(context: Any) -> list[Any]:
    replay = launch_arguments.replay(_given(launch_arguments.REPLAY, context))
    policy, *others = replay.policies
    if others:
        raise ConfigError("launch argument policy: ros2 launch replays one; `zprl replay` compares several")
    environment = single_host_environment(replay.bags.rig, replay.folder(policy) / "logs")
    atexit.register(replay.conclude)  # `ros2 launch` ends when they all have
    return _processes(replay.nodes(policy), environment)


def _processes(nodes: Sequence[NodeSpec], environment: Mapping[str, str]) -> list[Any]:
    from launch.actions import OpaqueFunction
    from launch_ros.actions import LifecycleNode, Node
    from launch_ros.parameter_descriptions import ParameterValue

    actions: list[Any] = []
    for spec in nodes:
        kind = LifecycleNode if spec.lifecycle else Node
        end = [] if spec.respawn else [OpaqueFunction(function=_end, args=[spec.name])]
        arguments = node_arguments(spec, environment)
        # Typed, or launch_ros would read the text "1e5" as a number.
        typed = {
            k: ParameterValue(v, value_type=list[str] if isinstance(v, list) else type(v))
            for k, v in spec.plain_parameters().items()
        }
        respawn = {"respawn": spec.respawn, "respawn_delay": RESPAWN_S}
        actions.append(kind(**{**arguments, "parameters": [typed]}, on_exit=end, **respawn))
    return actions


def _end(context: Any, name: str) -> list[Any]:
    """One process that ends, whatever the reason, ends the session: nothing moves without all of it."""
    from launch.actions import Shutdown

    return [] if context.is_shutdown else [Shutdown(reason=f"{name} ended")]
