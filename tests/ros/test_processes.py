"""A node of the graph runs where its rig says, with the threads of its middleware."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from tests.ros.harness import RIG, graph
from zprl_core.config import ComputeConfig, ProcessConfig, load_rig


def test_a_node_runs_on_the_processors_of_its_rig_and_refuses_those_that_are_not_there(
    tmp_path: Path,
) -> None:
    cpu, nice = max(os.sched_getaffinity(0)), os.getpriority(os.PRIO_PROCESS, 0)
    placed = ProcessConfig(name="proprioception_node", cpus=(cpu,), nice=min(nice + 3, 19))
    missing = ProcessConfig(name="camera_node", cpus=(4000,))
    rig = replace(load_rig(RIG), compute=ComputeConfig(processes=(placed, missing)))
    with graph(tmp_path / "g", lockstep=False, blocks=(), rig=rig) as g:
        process, camera = g.start("proprioception"), g.start("camera")
        threads = Path(f"/proc/{process.pid}/task")

        def moved() -> bool:
            ids = [int(thread.name) for thread in threads.iterdir()]
            try:
                found = {(*os.sched_getaffinity(each), os.getpriority(os.PRIO_PROCESS, each)) for each in ids}
            except ProcessLookupError:  # one has just ended
                return False
            return len(ids) > 3 and found == {(cpu, placed.nice)}

        g.wait(moved, 30.0, "the threads to be moved")
        assert camera.wait(30) == 2
        assert "error: compute.processes: camera_node: cpus [4000]: this machine gives [" in g.log("camera")
