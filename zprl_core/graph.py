# SPDX-License-Identifier: Apache-2.0
"""The node graph of a session, as data. Pure: the same arguments give the same graph.

`ros2 launch` (launch/*.launch.py) and the `zprl` command (zprl_core.supervisor) both start what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from zprl_core.config import RigConfig, TaskConfig, check_pair
from zprl_core.errors import RigError

Mode = Literal["train", "evaluate", "collect"]
Parameter = bool | int | float | str | tuple[str, ...]
KEEP_MEMORY = {f"MALLOC_{name}_": str(1 << 30) for name in ("MMAP_THRESHOLD", "TRIM_THRESHOLD")}
"""Has glibc keep the memory of a picture for the next one: without it the recorder takes 1.8 times the CPU
(5 runs each way, in turns)."""
JUDGED_SCENES = ("place_orange",)
"""Simulated scenes whose ground truth says whether the task succeeded."""


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
        shadow: motors stay off: everything runs, nothing moves, nothing is learned.
        operator: on a simulated rig: a person starts and labels, instead of the judge.
        panel: "host:port" of the operator's panel, empty for none.
        record: every episode becomes a bag.
        teleop: "host:port" of the teleoperation page, empty for none.
        limit_s: of "collect": longest demonstration, s.
        blind: of "evaluate": people are not told which policy drives.
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
    shadow: bool = False
    operator: bool = False
    panel: str = ""
    record: bool = False
    teleop: str = ""
    limit_s: float = 60.0
    blind: bool = False


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
        respawn: it is started again when it ends; without it, the session ends with it.
    """

    package: str
    executable: str
    name: str
    namespace: str = "/"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = ()
    lifecycle: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    respawn: bool = False

    def plain_parameters(self) -> dict[str, bool | int | float | str | list[str]]:
        """The parameters as YAML has them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in self.parameters.items()}


def graph(rig: RigConfig, task: TaskConfig, mode: Mode, run: RunSettings) -> tuple[NodeSpec, ...]:
    """Every process of a session.

    Args:
        rig: arms and cameras; each gets a bridge or a camera node.
        task: picks the cameras.
        mode: "train" has a learner, "evaluate" has none, "collect" has no policy either.
        run: what all nodes are told.

    Raises:
        ConfigError: the task does not fit the rig.
        RigError: lockstep on a rig that has no simulated time.
    """
    check_pair(rig, task)
    _check_lockstep(rig, run)
    common = _common(run)
    demonstrated = mode == "collect"
    nodes = [*_recorder(run, common), *_hardware(rig, task, run, common, demonstrated)]
    if not demonstrated:
        nodes += _learning(mode, run, common)
    managed = tuple(f"{node.namespace.rstrip('/')}/{node.name}" for node in nodes if node.lifecycle)
    operator = run.operator or not rig.simulated
    judged = not operator and rig.simulation is not None and rig.simulation.scene in JUDGED_SCENES
    session = {**common, "managed_nodes": managed, "operator": operator, "judge": judged}
    if demonstrated:
        session["demonstration_limit_s"] = run.limit_s
    nodes.append(NodeSpec("zprl_session", "session_node", "session_node", parameters=session))
    if judged:
        nodes.append(NodeSpec("zprl_session", "auto_judge", "auto_judge", parameters=common))
    if run.teleop:
        teleop = {**common, "address": run.teleop, "demonstrated": demonstrated}
        nodes.append(NodeSpec("teleop_vr", "teleop_node", "teleop_node", parameters=teleop, respawn=True))
    if run.panel:
        watched = tuple(f"{node.namespace.rstrip('/')}/{node.name}" for node in nodes)
        panel = {**common, "address": run.panel, "nodes": watched, "managed_nodes": managed}
        panel |= {"blind": True} if run.blind else {}
        nodes.append(NodeSpec("zprl_panel", "panel_node", "panel_node", parameters=panel, respawn=True))
    return tuple(nodes)


def replay_graph(
    run: RunSettings,
    bags: Sequence[str],
    *,
    mode: str,
    rate: float | None,
    start_s: float,
    loop: bool,
) -> tuple[NodeSpec, ...]:
    """The processes of a replay: the policy node, and the player that asks it.

    Args:
        run: what both are told; `lockstep` is how the bags were recorded.
        bags: to be played. mode: path of the policy, see `zprl_core.replay.modes.MODES`.
        rate: times the recorded pace; None: as fast as possible. start_s: of each bag, s.
        loop: begin again after the last one.
    """
    common = _common(run)
    policy = {**common, "base": run.base, "actor": run.actor, "learner": False, "replay": True}
    player: dict[str, Parameter] = {
        **common,
        "bags": tuple(bags),
        "mode": mode,
        "steers": bool(run.actor),
        "rate": rate or 0.0,
        "start_s": start_s,
        "loop": loop,
        "managed_nodes": ("/policy_node",),
    }
    return (
        NodeSpec("policy_node", "policy_node", "policy_node", parameters=policy, lifecycle=True),
        NodeSpec("zprl_recorder", "player_node", "player_node", parameters=player),
    )


def _common(run: RunSettings) -> dict[str, Parameter]:
    """What all nodes are told."""
    return {
        "rig": run.rig_file,
        "task": run.task_file,
        "run_dir": run.run_dir,
        "run_id": run.run_id,
        "seed": run.seed,
        "lockstep": run.lockstep,
    }


def _check_lockstep(rig: RigConfig, run: RunSettings) -> None:
    real = [arm.name for arm in rig.arms if arm.driver != "sim"]
    if run.lockstep and run.shadow:
        raise RigError(f"rig {rig.name}: shadow mode runs on the wall clock; add --realtime")
    if run.lockstep and run.teleop:
        raise RigError(f"rig {rig.name}: a hand moves arms on the wall clock; add --realtime to --teleop")
    if run.lockstep and (real or not rig.simulated):
        who = f"arm {', '.join(real)} runs" if real else "a real cell runs"
        raise RigError(f"rig {rig.name}: lockstep needs arms of driver sim; {who} on the wall clock")


def _recorder(run: RunSettings, common: Mapping[str, Parameter]) -> list[NodeSpec]:
    """First of all nodes, so that it has found the topics of the others when the first episode starts."""
    if not run.record:
        return []
    return [
        NodeSpec(
            "zprl_recorder",
            "recorder_node",
            "recorder_node",
            parameters=dict(common),
            lifecycle=True,
            environment=KEEP_MEMORY,
        )
    ]


def _hardware(
    rig: RigConfig,
    task: TaskConfig,
    run: RunSettings,
    common: Mapping[str, Parameter],
    demonstrated: bool,
) -> list[NodeSpec]:
    nodes = []
    if rig.simulated and any(arm.driver != "sim" for arm in rig.arms):
        nodes.append(
            NodeSpec("zprl_sim", "world_node", "world_node", parameters=dict(common), lifecycle=True)
        )
    nodes += [
        NodeSpec(
            "zprl_arms",
            "arm_bridge",
            f"{arm.name}_bridge",
            parameters={
                **common,
                "arm": arm.name,
                "shadow": run.shadow,
                **({"demonstrated": True} if demonstrated else {}),
            },
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
    policy = {**common, "base": run.base, "actor": run.actor, "learner": mode == "train"}
    nodes = [NodeSpec("policy_node", "policy_node", "policy_node", parameters=policy, lifecycle=True)]
    if mode == "train":
        learner = {**common, "base": run.base, "resume": run.resume}
        nodes.append(
            NodeSpec("learner_node", "learner_node", "learner_node", parameters=learner, lifecycle=True)
        )
    return nodes
