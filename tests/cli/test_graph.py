# SPDX-License-Identifier: Apache-2.0
"""What stands in the graph, and that both ways of starting it say the same."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import os
from pathlib import Path

import pytest

from zprl_core import launch_arguments
from zprl_core.config import RigConfig, load_rig, load_task
from zprl_core.errors import ConfigError, DataError, RigError
from zprl_core.graph import NodeSpec, graph
from zprl_core.plan import evaluation_plan
from zprl_core.prepared import Prepared
from zprl_core.run_folder import RunFolder, RunSpec, read_json

ROOT = Path(__file__).parents[2]
SPEC = RunSpec("id", "train", "place_orange_demo", "sim_xarm6", "/base.ckpt", "", 5, True, 0, 0)
REAL_TIME = dataclasses.replace(SPEC, lockstep=False)
FOLDER = RunFolder(Path("/run"))


def _graph(
    mode: str = "train", resume: bool = False, panel: str = "", **changes: object
) -> dict[str, NodeSpec]:
    spec = dataclasses.replace(SPEC, mode=mode, **changes)
    rig, task = load_rig("sim_xarm6"), load_task("place_orange_demo")
    nodes = graph(rig, task, spec, FOLDER, resume=resume, panel=panel)
    assert len({node.name for node in nodes}) == len(nodes)
    return {node.name: node for node in nodes}


def test_training_graph() -> None:
    nodes = _graph()
    views = [view.name for view in load_task("place_orange_demo").observation.cameras]
    assert set(nodes) == {
        "arm_bridge",
        *(f"camera_{name}" for name in views),
        "proprioception_node",
        "policy_node",
        "learner_node",
        "session_node",
        "auto_judge",
    }
    managed = ("/arm_bridge", "/policy_node", "/learner_node")
    assert {f"/{name}" for name, node in nodes.items() if node.lifecycle} == set(managed)
    assert nodes["session_node"].parameters["managed_nodes"] == managed
    assert nodes["arm_bridge"].parameters["arm"] == "arm"
    assert nodes[f"camera_{views[0]}"].parameters["camera"] == views[0]
    assert (nodes["auto_judge"].package, nodes["auto_judge"].executable) == ("zprl_session", "auto_judge")


def test_evaluation_has_no_learner() -> None:
    nodes = _graph("evaluate", actor="/other/run")
    assert "learner_node" not in nodes
    assert nodes["policy_node"].parameters["actor"] == "/other/run"
    for actor in ("", "/other/run"):  # nobody takes a correction there
        assert _graph("evaluate", actor=actor)["policy_node"].parameters["learner"] is False
    assert _graph()["policy_node"].parameters["learner"] is True


def test_the_recorder_comes_first_where_it_is_wanted() -> None:
    assert "recorder_node" not in _graph()
    nodes = _graph(record=True)
    assert next(iter(nodes)) == "recorder_node"
    assert nodes["session_node"].parameters["managed_nodes"][0] == "/recorder_node"
    assert nodes["recorder_node"].parameters["run_dir"] == "/run"


def test_every_node_is_told_the_same_session() -> None:
    for node in _graph().values():
        told = {key: node.parameters[key] for key in ("rig", "task", "run_dir", "run_id", "seed", "lockstep")}
        assert told == {
            "rig": "/run/config/rig.yaml",
            "task": "/run/config/task.yaml",
            "run_dir": "/run",
            "run_id": "id",
            "seed": 5,
            "lockstep": True,
        }


def test_resume_reaches_those_who_keep_state() -> None:
    told = {name for name, node in _graph(resume=True).items() if node.parameters.get("resume")}
    assert told == {"learner_node"}  # the session reads its own records


def test_the_graph_is_pure() -> None:
    assert _graph() == _graph()


def _xarm_rig() -> RigConfig:
    rig = load_rig("sim_xarm6")
    assert rig.arms[0].gripper is not None
    gripper = dataclasses.replace(rig.arms[0].gripper, kind="robotiq_2f85")
    arm = dataclasses.replace(rig.arms[0], driver="xarm", address="127.0.0.2", gripper=gripper)
    return dataclasses.replace(rig, arms=(arm,))


def test_lockstep_needs_arms_in_simulated_time() -> None:
    task = load_task("place_orange_demo")
    with pytest.raises(RigError, match=r"lockstep needs arms of driver sim; arm arm runs on the wall clock"):
        graph(_xarm_rig(), task, SPEC, FOLDER)
    rig = dataclasses.replace(load_rig("sim_xarm6"), simulation=None)
    with pytest.raises(RigError, match="lockstep needs arms of driver sim; a real cell runs on"):
        graph(rig, task, SPEC, FOLDER)
    with pytest.raises(RigError, match="shadow mode runs on the wall clock"):
        graph(load_rig("sim_xarm6"), task, dataclasses.replace(SPEC, shadow=True), FOLDER)
    with pytest.raises(RigError, match="a hand moves arms on the wall clock; add --realtime to --teleop"):
        graph(load_rig("sim_xarm6"), task, SPEC, FOLDER, teleop="127.0.0.1:8771")


def test_a_real_cell_has_an_operator_and_no_judge() -> None:
    rig = dataclasses.replace(_xarm_rig(), simulation=None)
    nodes = graph(rig, load_task("place_orange_demo"), REAL_TIME, FOLDER)
    told = {node.name: node.parameters for node in nodes}
    assert told["session_node"]["operator"] is True
    assert not {"auto_judge", "world_node"} & set(told)


def test_a_person_takes_the_judges_place_and_gets_a_panel() -> None:
    nodes = _graph(operator=True, panel="127.0.0.1:8770")
    session, panel = nodes["session_node"].parameters, nodes["panel_node"].parameters
    assert (session["operator"], session["judge"]) == (True, False)
    assert "auto_judge" not in nodes
    assert panel["address"] == "127.0.0.1:8770"
    assert panel["managed_nodes"] == session["managed_nodes"]
    assert set(panel["nodes"]) == {f"/{name}" for name in nodes} - {"/panel_node"}  # type: ignore[arg-type]
    assert "panel_node" not in _graph()


def test_a_simulated_controller_gets_its_world() -> None:
    spec = dataclasses.replace(REAL_TIME, shadow=True)
    nodes = {n.name: n for n in graph(_xarm_rig(), load_task("place_orange_demo"), spec, FOLDER)}
    assert "world_node" in nodes
    assert nodes["session_node"].parameters["operator"] is False
    assert nodes["arm_bridge"].parameters["shadow"] is True


@pytest.mark.parametrize(
    ("rig", "task", "judged"),
    [("dual_open_box_sim", "open_box", False), ("xarm6_place_orange_sim", "place_orange", True)],
)
def test_every_simulated_controller_is_started_before_its_bridge(rig: str, task: str, judged: bool) -> None:
    spec = dataclasses.replace(REAL_TIME, mode="evaluate")
    nodes = {n.name: n for n in graph(load_rig(rig), load_task(task), spec, FOLDER)}
    bridges = tuple(f"/{arm.name}_bridge" for arm in load_rig(rig).arms)
    session = nodes["session_node"].parameters
    assert session["managed_nodes"] == ("/world_node", *bridges, "/policy_node")
    assert session["judge"] is judged and ("auto_judge" in nodes) is judged


def test_two_arms_get_two_bridges() -> None:
    rig, task = load_rig("sim_xarm6"), load_task("place_orange_demo")
    left, right = (dataclasses.replace(rig.arms[0], name=name) for name in ("left", "right"))
    streams = (
        "left/joint_position_rad",
        "left/gripper_width_m",
        "right/joint_position_rad",
        "right/gripper_width_m",
    )
    rig = dataclasses.replace(rig, arms=(left, right), proprioception=streams)
    task = dataclasses.replace(
        task,
        action=dataclasses.replace(task.action, arms=2, dim=14),
        observation=dataclasses.replace(task.observation, proprio_dim=14),
    )
    bridges = [n for n in graph(rig, task, SPEC, FOLDER) if n.executable == "arm_bridge"]
    assert [(b.name, b.parameters["arm"]) for b in bridges] == [
        ("left_bridge", "left"),
        ("right_bridge", "right"),
    ]


@pytest.mark.parametrize("mode", ["train", "evaluate"])
def test_every_node_of_the_graph_is_an_importable_module(mode: str) -> None:
    for node in _graph(mode).values():
        pytest.importorskip(node.package)
        assert importlib.util.find_spec(f"{node.package}.{node.executable}"), node


@pytest.mark.parametrize("mode", ["train", "evaluate"])
def test_launch_files_are_wiring_only(mode: str) -> None:
    """A launch file builds nothing itself: it hands its mode to the one description."""
    tree = ast.parse((ROOT / "launch" / f"{mode}.launch.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert [function.name for function in functions] == ["generate_launch_description"]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert [ast.unparse(call) for call in calls] == [f"description('{mode}')"]
    assert not (ROOT / "launch" / "__init__.py").exists(), "it would shadow ROS's launch"


@pytest.mark.parametrize("mode", ["train", "evaluate"])
def test_launch_descriptions_declare_their_arguments(mode: str) -> None:
    pytest.importorskip("launch_ros", reason="ros2 launch exists only where ROS was installed with apt")
    launching = pytest.importorskip("zprl_bringup.launching")
    declared = launching.description(mode).get_launch_arguments()
    assert [argument.name for argument in declared] == list(launch_arguments.LAUNCH_ARGUMENTS[mode])


def test_node_arguments_for_launch() -> None:
    launching = pytest.importorskip("zprl_bringup.launching")
    spec = _graph()["policy_node"]
    arguments = launching.node_arguments(spec, {"A": "1"})
    assert arguments["package"] == "policy_node"
    assert arguments["parameters"] == [dict(spec.parameters)]
    assert arguments["additional_env"] == {"A": "1"}


def test_launch_holds_the_folder_and_says_how_to_reach_its_session_until_all_have_ended(
    tmp_path: Path,
) -> None:
    launching = pytest.importorskip("zprl_bringup.launching")
    rig, task = load_rig("sim_xarm6"), load_task("place_orange_demo")
    spec = RunSpec("20260101-000000-00000000", "evaluate", task.name, rig.name, "", "", 3, True, 0, 2)
    folder, plan = RunFolder.create(tmp_path / "run", spec, task, rig), evaluation_plan(("steer",), 2, 0)
    prepared = Prepared(folder, rig, task, plan, ())
    held = launching.held(prepared, launching.single_host_environment(rig, folder.logs))
    assert read_json(folder.live_file)["environment"]["ROS_DOMAIN_ID"] == os.environ.get("ROS_DOMAIN_ID", "0")
    with pytest.raises(DataError, match="another process is running"):
        launching.held(prepared, {})
    assert not folder.summary_file.exists()
    held.close()
    assert folder.summary_file.exists() and not folder.live_file.exists()
    with folder.lock():
        pass


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["rig=sim"], "'rig=sim' is not of the form name:=value"),
        (["rgi:=sim_xarm6"], "unknown launch argument 'rgi'; did you mean 'rig'"),
        (["policy:=x"], "unknown launch argument 'policy'"),
    ],
)
def test_launch_arguments(settings: list[str], said: str) -> None:
    assert launch_arguments.split_arguments("train", ["rig:=a", "base:=b:=c"]) == {"rig": "a", "base": "b:=c"}
    with pytest.raises(ConfigError, match=said):
        launch_arguments.split_arguments("train", settings)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rig": "sim_xarm6"}, "task:=... is required"),
        ({"task": "can"}, "rig:=... is required"),
        ({"rig": "sim_xarm6", "task": "place_orange", "seed": "x"}, "seed:=x: not a whole number"),
        (
            {"rig": "sim_xarm6", "task": "place_orange", "realtime": "yes"},
            "realtime:=yes: allowed: true, false",
        ),
    ],
)
def test_launch_values(given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        launch_arguments.prepare("train", given)
