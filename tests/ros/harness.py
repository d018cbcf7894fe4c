"""Starts the real processes of a graph for a test, and ends every one of them by its id."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from zprl_core import single_host
from zprl_core.config import RigConfig, TaskConfig, load_rig, load_task
from zprl_core.plan import Block, write_plan
from zprl_core.run_folder import RunFolder, RunSpec

REPOSITORY = Path(__file__).resolve().parents[2]
LEAD_STEPS, WATCHDOG_S = 10, 0.6
TASK, RIG = "place_orange_demo", "sim_xarm6"
OBSERVERS_NEED = ("RMW_IMPLEMENTATION", "FASTDDS_DEFAULT_PROFILES_FILE", "ROS_AUTOMATIC_DISCOVERY_RANGE")
STANDARD = {
    "bridge": "zprl_arms.arm_bridge",
    "camera": "zprl_cameras.camera_node",
    "proprioception": "zprl_cameras.proprioception_node",
    "judge": "zprl_session.auto_judge",
    "session": "zprl_session.session_node",
}
SPECIAL: dict[str, dict[str, Any]] = {
    "bridge": {"arm": "arm"},
    "camera": {"camera": "third_view"},
}
MANAGED = ("world", "bridge")


def without_domain() -> dict[str, str]:
    """This process's environment, whatever domain it names: a graph gets one of its own."""
    return {key: value for key, value in os.environ.items() if key != "ROS_DOMAIN_ID"}


def patient(task: TaskConfig, rig: RigConfig, watchdog_s: float) -> tuple[TaskConfig, RigConfig]:
    """The same for a machine that does other things too: more lead, older images, a later watchdog, and a
    session that may be silent for as long.
    """
    observation = replace(task.observation, lead_steps=LEAD_STEPS, max_age_s=1.0)
    arms = tuple(
        replace(arm, watchdog_s=watchdog_s, lease_s=max(arm.lease_s, watchdog_s)) for arm in rig.arms
    )
    return replace(task, observation=observation), replace(rig, arms=arms)


class Graph:
    """Processes on a ROS domain of their own.

    Args:
        folder: an empty folder for everything.
        lockstep: simulated time.
        blocks: the plan.
        domain: its ROS domain.
        rig: another rig than the twin's; what simulates its world is then the process "world".
        watchdog_s: of every arm in real time.
        task: another task than the twin's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        domain: int,
        lockstep: bool,
        blocks: tuple[Block, ...],
        rig: RigConfig | None = None,
        watchdog_s: float = WATCHDOG_S,
        task: TaskConfig | None = None,
    ) -> None:
        self.folder = folder
        self.domain = domain
        self.lockstep = lockstep
        self.run_id = "test-run"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.names = tuple(STANDARD) if rig is None else ("world", *STANDARD)
        task, rig = task or load_task(TASK), rig or load_rig(RIG)
        if not lockstep:
            task, rig = patient(task, rig, watchdog_s)
        spec = RunSpec(self.run_id, "evaluate", TASK, rig.name, "", "", 3, lockstep, 0, 0)
        self.run = RunFolder.create(folder / "run", spec, task, rig)
        write_plan(self.run.plan_file, blocks)
        profile = single_host.dds_profile("single_host_shm")
        self.environment = single_host.environment(profile, self.domain, self.run.logs, os.environ)
        os.environ.update({key: self.environment[key] for key in OBSERVERS_NEED})
        self.policy_log = folder / "policy.jsonl"

    def parameters(self, name: str) -> dict[str, Any]:
        """Parameters of a process of the standard graph."""
        common = {
            "rig": str(self.run.rig_file),
            "task": str(self.run.task_file),
            "run_dir": str(self.run.path),
            "run_id": self.run_id,
            "seed": 3,
            "lockstep": self.lockstep,
        }
        managed = {"managed_nodes": [n for n in self.names if n in MANAGED]} if name == "session" else {}
        return {**common, **SPECIAL.get(name, {}), **managed}

    def start(self, name: str, module: str | None = None, **more: Any) -> subprocess.Popen[bytes]:
        """Start one process; `module` may be a file."""
        module = module or {**STANDARD, "world": "zprl_sim.world_node"}[name]
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump({"/**": {"ros__parameters": {**self.parameters(name), **more}}}))
        what = [module] if module.endswith(".py") else ["-m", module]
        arguments = [sys.executable, *what, "--ros-args", "--params-file", str(file), "-r", f"__node:={name}"]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
            )
        self.processes[name] = process
        return process

    def start_policy(self, **more: Any) -> None:
        """Start the stand-in for the policy."""
        self.start(
            "policy", str(Path(__file__).with_name("scripted_policy.py")), log=str(self.policy_log), **more
        )

    def start_all(
        self, *, policy: Mapping[str, Any] | None = None, session: Mapping[str, Any] | None = None
    ) -> None:
        """Start the standard graph with the stand-in policy."""
        for name in self.names:
            self.start(name, **(dict(session or {}) if name == "session" else {}))
        self.start_policy(**dict(policy or {}))

    def log(self, name: str) -> str:
        """What a process has printed."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def policy_lines(self, kind: str) -> list[dict[str, Any]]:
        """Lines of the stand-in's log of one kind."""
        if not self.policy_log.exists():
            return []
        lines = self.policy_log.read_text().split("\n")[:-1]
        return [line for line in map(json.loads, lines) if line["kind"] == kind]

    def state(self) -> str:
        """The session's state as the stand-in saw it last."""
        lines = self.policy_lines("session")
        return str(lines[-1]["state"]) if lines else ""

    def wait(self, condition: Any, timeout_s: float, what: str) -> None:
        """Until `condition()` holds; fails with the end of every log when it does not, or when a process
        ended.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if condition():
                return
            time.sleep(0.05)
        logs = "\n".join(f"--- {name}\n{self.log(name)[-2000:]}" for name in self.processes)
        raise AssertionError(f"{what}: not within {timeout_s} s\n{logs}")

    def kill(self, *names: str) -> None:
        """SIGKILL, and wait for the end; everything where no name is given."""
        for name in names or tuple(self.processes):
            self.processes[name].kill()
            self.processes[name].wait()

    def stop(self) -> dict[str, int]:
        """End everything; exit codes by name."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + 10.0
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
        for name, process in self.processes.items():
            if process.poll() is None:
                process.send_signal(signal.SIGABRT)  # says in its log what each thread does
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5.0)
                process.kill()
                print(f"{name} did not end within 10 s:\n{self.log(name)}")
        return {name: process.wait() for name, process in self.processes.items()}


@contextlib.contextmanager
def graph(folder: Path, **arguments: Any) -> Iterator[Graph]:
    """A graph that is gone afterwards, shared memory included."""
    folder.mkdir(parents=True, exist_ok=True)
    with single_host.free_domain(without_domain()) as domain:
        made = Graph(folder, domain=domain, **arguments)
        try:
            yield made
        finally:
            made.stop()
            single_host.clean_shared_memory()
