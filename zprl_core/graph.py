# SPDX-License-Identifier: Apache-2.0
"""The node graph of a session, as data. Pure: the same arguments give the same graph.

`ros2 launch` (launch/*.launch.py) and the `zprl` command (zprl_core.supervisor) both start what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from zprl_core.config import RigConfig, TaskConfig, check_pair
from zprl_core.errors import RigError

Mode = Literal["train", "evaluate"]
Parameter = bool | int | float | str | tuple[str, ...]
DRIVERS_HERE = ("sim",)
"""Drivers that this version can start; a rig may name others."""


@dataclass(frozen=True)
class RunSettings:
    """What a session is started with; every path absolute.

    Attributes:
        rig_file, task_file: the resolved YAML that each node loads.
        run_dir: folder of the session.
        run_id: names the session; messages of another one are refused.
        base: checkpoint of the base policy.
        actor: checkpoint or run folder of the trained actor for "steer", empty when there is none.
        seed: of every random draw.
        lockstep: simulated time, as fast as the machine allows; else the wall clock.
        resume: go on from the run folder's state.
    """

    rig_file: str
    task_file: str
    run_dir: str
    run_id: str
    base: str
    seed: int
    lockstep: bool
    actor: str = ""
    resume: bool = False


@dataclass(frozen=True)
class NodeSpec:
    """One process of the graph.

    Attributes:
        package, executable: `ros2 run <package> <executable>`, and `python -m <package>.<executable>`.
        name, namespace: of the node; names are unique in a graph and name its log file.
        parameters: ROS parameters.
        remappings: (from, to) topic names.
        lifecycle: whether it is a lifecycle node.
        environment: variables that this process needs beside the graph's.
    """

    package: str
    executable: str
    name: str
    namespace: str = "/"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = ()
    lifecycle: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    def plain_parameters(self) -> dict[str, bool | int | float | str | list[str]]:
        """The parameters as YAML has them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in self.parameters.items()}


def graph(rig: RigConfig, task: TaskConfig, mode: Mode, run: RunSettings) -> tuple[NodeSpec, ...]:
    """Every process of a session.

    Args:
        rig: arms and cameras; each gets a bridge or a camera node.
        task: picks the cameras.
        mode: "train" has a learner, "evaluate" has none.
        run: what all nodes are told.

    Raises:
        ConfigError: the task does not fit the rig.
        RigError: a driver that this version cannot start, or lockstep on a real cell.
    """
    check_pair(rig, task)
    _check_startable(rig, task, run)
    common: dict[str, Parameter] = {
        "rig": run.rig_file,
        "task": run.task_file,
        "run_dir": run.run_dir,
        "run_id": run.run_id,
        "seed": run.seed,
        "lockstep": run.lockstep,
    }
    nodes = [*_hardware(rig, task, common), *_learning(mode, run, common)]
    managed = tuple(f"{node.namespace.rstrip('/')}/{node.name}" for node in nodes if node.lifecycle)
    session = {**common, "managed_nodes": managed}
    nodes.append(NodeSpec("zprl_session", "session_node", "session_node", parameters=session))
    if rig.simulated:
        nodes.append(NodeSpec("zprl_session", "auto_judge", "auto_judge", parameters=common))
    return tuple(nodes)


def _check_startable(rig: RigConfig, task: TaskConfig, run: RunSettings) -> None:
    used: list[tuple[str, str]] = [(f"arm '{arm.name}'", arm.driver) for arm in rig.arms]
    used += [(f"camera '{view.name}'", rig.camera(view.name).driver) for view in task.observation.cameras]
    for who, driver in used:
        if driver not in DRIVERS_HERE:
            here = ", ".join(DRIVERS_HERE)
            raise RigError(
                f"rig {rig.name}: {who}: driver '{driver}' is not in this version. Available: {here}"
            )
    if run.lockstep and not rig.simulated:
        raise RigError(f"rig {rig.name}: lockstep needs a simulated rig; a real cell runs on the wall clock")


def _hardware(rig: RigConfig, task: TaskConfig, common: Mapping[str, Parameter]) -> list[NodeSpec]:
    nodes = [
        NodeSpec(
            "zprl_arms",
            "arm_bridge",
            f"{arm.name}_bridge",
            parameters={**common, "arm": arm.name},
            lifecycle=True,
        )
        for arm in rig.arms
    ]
    nodes += [
        NodeSpec(
            "zprl_cameras",
            "camera_node",
            f"camera_{view.name}",
            parameters={**common, "camera": view.name},
        )
        for view in task.observation.cameras
    ]
    nodes.append(
        NodeSpec("zprl_cameras", "proprioception_node", "proprioception_node", parameters=dict(common))
    )
    return nodes


def _learning(mode: Mode, run: RunSettings, common: Mapping[str, Parameter]) -> list[NodeSpec]:
    policy = {**common, "base": run.base, "actor": run.actor}
    nodes = [NodeSpec("policy_node", "policy_node", "policy_node", parameters=policy, lifecycle=True)]
    if mode == "train":
        learner = {**common, "base": run.base, "resume": run.resume}
        nodes.append(
            NodeSpec("learner_node", "learner_node", "learner_node", parameters=learner, lifecycle=True)
        )
    return nodes
