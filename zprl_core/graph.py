# SPDX-License-Identifier: Apache-2.0
"""The node graph of a session, as data. Pure: the same arguments give the same graph.

`ros2 launch` (launch/*.launch.py) and the `zprl` command (zprl_core.supervisor) both start what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from zprl_core.config import RigConfig, TaskConfig, check_pair
from zprl_core.errors import RigError
from zprl_core.run_folder import RunFolder, RunSpec

Parameter = bool | int | float | str | tuple[str, ...]
KEEP_MEMORY = {f"MALLOC_{name}_": str(1 << 30) for name in ("MMAP_THRESHOLD", "TRIM_THRESHOLD")}
"""Has glibc keep the memory of a picture for the next one: without it the recorder takes 1.8 times the CPU
(5 runs each way, in turns)."""
JUDGED_SCENES = ("place_orange",)
"""Simulated scenes whose ground truth says whether the task succeeded."""


@dataclass(frozen=True)
class NodeSpec:
    """One process of the graph.

    Attributes:
        package, executable: `ros2 run <package> <executable>`, and `python -m <package>.<executable>`.
        name: of the node; unique in a graph, and of its log file.
        parameters: ROS parameters.
        lifecycle: whether it is a lifecycle node.
        environment: variables that this process needs beside the graph's.
        respawn: it is started again when it ends; without it, the session ends with it.
    """

    package: str
    executable: str
    name: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    lifecycle: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    respawn: bool = False

    def plain_parameters(self) -> dict[str, bool | int | float | str | list[str]]:
        """The parameters as YAML has them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in self.parameters.items()}


def graph(
    rig: RigConfig,
    task: TaskConfig,
    spec: RunSpec,
    folder: RunFolder,
    *,
    resume: bool = False,
    panel: str = "",
    teleop: str = "",
) -> tuple[NodeSpec, ...]:
    """Every process of a session.

    Args:
        rig: arms and cameras; each gets a bridge or a camera node.
        task: picks the cameras.
        spec: what it is started with. "train" has a learner, "evaluate" has none, "collect" has no policy
            either.
        folder: of the run, by an absolute path; all nodes are told it.
        resume: go on from the folder's state.
        panel: host:port of the operator's panel, empty for none.
        teleop: host:port of the teleoperation page, empty for none.

    Raises:
        ConfigError: the task does not fit the rig.
        RigError: lockstep on a rig that has no simulated time.
    """
    check_pair(rig, task)
    _check_lockstep(rig, spec, teleop)
    common = common_parameters(folder, run_id=spec.run_id, seed=spec.seed, lockstep=spec.lockstep)
    demonstrated = spec.mode == "collect"
    nodes = [*_recorder(spec, common), *_hardware(rig, task, spec, common)]
    if not demonstrated:
        nodes += _learning(spec, common, resume=resume)
    managed = tuple(f"/{node.name}" for node in nodes if node.lifecycle)
    operator = spec.operator or not rig.simulated
    judged = not operator and rig.simulation is not None and rig.simulation.scene in JUDGED_SCENES
    session = {**common, "managed_nodes": managed, "operator": operator, "judge": judged}
    if demonstrated:
        session["demonstration_limit_s"] = spec.limit_s
    nodes.append(NodeSpec("zprl_session", "session_node", "session_node", parameters=session))
    if judged:
        nodes.append(NodeSpec("zprl_session", "auto_judge", "auto_judge", parameters=common))
    if teleop:
        told = {**common, "address": teleop, "demonstrated": demonstrated}
        nodes.append(NodeSpec("teleop_vr", "teleop_node", "teleop_node", parameters=told, respawn=True))
    if panel:
        watched = tuple(f"/{node.name}" for node in nodes)
        told = {**common, "address": panel, "nodes": watched, "managed_nodes": managed}
        told |= {"blind": True} if spec.blind else {}
        nodes.append(NodeSpec("zprl_panel", "panel_node", "panel_node", parameters=told, respawn=True))
    return tuple(nodes)


def replay_graph(
    common: Mapping[str, Parameter],
    bags: Sequence[str],
    *,
    base: str,
    actor: str,
    mode: str,
    rate: float | None,
    start_s: float,
    loop: bool,
) -> tuple[NodeSpec, ...]:
    """The processes of a replay: the policy node, and the player that asks it.

    Args:
        common: `common_parameters`; `lockstep` is how the bags were recorded.
        bags: to be played.
        base, actor: checkpoints; `actor` is empty where there is none.
        mode: path of the policy, see `zprl_core.replay.modes.MODES`.
        rate: times the recorded pace; None: as fast as possible. start_s: of each bag, s.
        loop: begin again after the last one.
    """
    policy = {**common, "base": base, "actor": actor, "learner": False, "replay": True}
    player: dict[str, Parameter] = {
        **common,
        "bags": tuple(bags),
        "mode": mode,
        "steers": bool(actor),
        "rate": rate or 0.0,
        "start_s": start_s,
        "loop": loop,
        "managed_nodes": ("/policy_node",),
    }
    return (
        NodeSpec("policy_node", "policy_node", "policy_node", parameters=policy, lifecycle=True),
        NodeSpec("zprl_recorder", "player_node", "player_node", parameters=player),
    )


def common_parameters(folder: RunFolder, *, run_id: str, seed: int, lockstep: bool) -> dict[str, Parameter]:
    """What all nodes are told; see `RunSpec`."""
    return {
        "rig": str(folder.rig_file),
        "task": str(folder.task_file),
        "run_dir": str(folder.path),
        "run_id": run_id,
        "seed": seed,
        "lockstep": lockstep,
    }


def _check_lockstep(rig: RigConfig, spec: RunSpec, teleop: str) -> None:
    if not spec.lockstep:
        return
    if spec.shadow:
        raise RigError(f"rig {rig.name}: shadow mode runs on the wall clock; add --realtime")
    if teleop:
        raise RigError(f"rig {rig.name}: a hand moves arms on the wall clock; add --realtime to --teleop")
    real = [arm.name for arm in rig.arms if arm.driver != "sim"]
    if real or not rig.simulated:
        who = f"arm {', '.join(real)} runs" if real else "a real cell runs"
        raise RigError(f"rig {rig.name}: lockstep needs arms of driver sim; {who} on the wall clock")


def _recorder(spec: RunSpec, common: Mapping[str, Parameter]) -> list[NodeSpec]:
    """First of all nodes, so that it has found the topics of the others when the first episode starts."""
    if not spec.record:
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
    spec: RunSpec,
    common: Mapping[str, Parameter],
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
                "shadow": spec.shadow,
                **({"demonstrated": True} if spec.mode == "collect" else {}),
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


def _learning(spec: RunSpec, common: Mapping[str, Parameter], *, resume: bool) -> list[NodeSpec]:
    policy = {**common, "base": spec.base, "actor": spec.actor, "learner": spec.mode == "train"}
    nodes = [NodeSpec("policy_node", "policy_node", "policy_node", parameters=policy, lifecycle=True)]
    if spec.mode == "train":
        learner = {**common, "base": spec.base, "resume": resume}
        nodes.append(
            NodeSpec("learner_node", "learner_node", "learner_node", parameters=learner, lifecycle=True)
        )
    return nodes
