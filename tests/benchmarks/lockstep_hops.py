"""What the graph costs in lockstep: wall time per chunk with DDS, less the same work in one process.

    python -m tests.benchmarks.lockstep_hops [--episodes 12]

The policy is the tests' stand-in, which needs no time to think, so what is left beside physics, drawing and
judging is the price of the hops: chunk to bridge, state to judge, label to session, session to policy, and
beside those the observation's way to the policy. Prints one line of JSON: wall time per chunk (on a busy
machine only the 10th percentile means much) and CPU time per chunk, all processes together.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tests.ros.harness import RIG, TASK, graph
from zprl_arms.controller import ArmController
from zprl_arms.drivers.sim import SimArm
from zprl_arms.lockstep import Lockstep
from zprl_arms.timing import Timing
from zprl_core.config import load_rig, load_task
from zprl_core.plan import Block
from zprl_core.safety import ChunkCommand
from zprl_sim.executor import encode
from zprl_sim.expert import Intent, plan
from zprl_sim.judge import Judge
from zprl_sim.layout import draw_layout
from zprl_sim.render import Renderer
from zprl_sim.scene import Scene


class _OneProcess:
    """The same chunk without messages: bridge, camera and judge as plain calls."""

    def __init__(self) -> None:
        self.task, rig = load_task(TASK), load_rig(RIG)
        view = self.task.observation.cameras[0]
        self.arm, self.judge, self.renderer = SimArm(), Judge(), Renderer(view.height, view.width)
        world = self.arm.reset(0)
        self.controller = ArmController(rig.arms[0], self.task, "run", world.home)
        self.lockstep = Lockstep(self.arm, self.controller, Timing.of(self.task, rig.arms[0]), self)
        self.start_ns, self.camera = 0, view.name

    def on_observation(self, stamp_ns: int, chunk: int | None, chunk_start_ns: int, ended: bool) -> None:
        self.start_ns = chunk_start_ns
        self.renderer(self.arm.world().qpos, self.camera)

    def on_moved(self, n: int, stamp_ns: int) -> None:
        """See `zprl_arms.lockstep.Listener`."""

    def on_chunk_end(self, stamp_ns: int, chunk: int, observed: bool) -> None:
        self.controller.reports(stamp_ns)
        world = self.arm.world()
        self.judge(world.qpos, world.qvel, Scene.from_text(world.scene))

    def chunks_ms(self, episodes: int) -> list[tuple[float, float]]:
        size, times = self.task.action.chunk, []
        for episode in range(episodes):
            world = self.arm.reset(episode)
            self.controller.reset(world.home)
            self.lockstep.reset(episode)
            self.controller.on_session("running", episode, self.lockstep.now_ns, world.home)
            self.lockstep.begin(episode)
            actions = np.array([encode(s) for s in plan(draw_layout(episode), Intent())[1:]])
            for chunk in range(len(actions) // size):
                part = actions[chunk * size : (chunk + 1) * size]
                began, began_cpu = time.perf_counter(), time.process_time()
                dt_s = 1.0 / self.task.rate_hz
                command = ChunkCommand("run", episode, chunk, self.start_ns, dt_s, part.shape[1], part)
                assert self.controller.command(command, self.lockstep.now_ns)
                self.lockstep.execute()
                times.append(((time.perf_counter() - began) * 1e3, (time.process_time() - began_cpu) * 1e3))
        return times


def cpu_s(processes: Iterable[int]) -> float:
    """CPU time of living processes so far, s."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in processes]
    return sum(int(f[11]) + int(f[12]) for f in fields) / os.sysconf("SC_CLK_TCK")


def graph_ms(episodes: int) -> tuple[list[float], float]:
    """Wall time from one chunk to the next within an episode, and CPU time per chunk with everything else,
    ms.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        graph(Path(folder) / "g", lockstep=True, blocks=(Block("base_c", "base_c", episodes=episodes),)) as g,
    ):
        g.start_all()
        pids = [process.pid for process in g.processes.values()]
        g.wait(lambda: len(g.policy_lines("chunk")) > 8, 60, "the first episode")
        before, before_cpu = len(g.policy_lines("chunk")), cpu_s(pids)
        g.wait(lambda: g.state() == "done", 60 + 5 * episodes, "the plan")
        chunks, used_s = g.policy_lines("chunk"), cpu_s(pids) - before_cpu
    pairs = itertools.pairwise(chunks)
    periods = [(b["sent_at"] - a["sent_at"]) * 1e3 for a, b in pairs if a["episode"] == b["episode"]]
    return periods, used_s * 1e3 / (len(chunks) - before)


def _percentile(values: Any, share: int) -> float:
    return round(float(np.percentile(values, share)), 2)


def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--episodes", type=int, default=12)
    episodes = parser.parse_args().episodes
    alone, alone_cpu = np.array(_OneProcess().chunks_ms(episodes)).T
    together, graph_cpu = graph_ms(episodes)
    result = {
        "chunks": len(together),
        **{f"one_process_ms_p{share}": _percentile(alone, share) for share in (10, 50)},
        **{f"graph_ms_p{share}": _percentile(together, share) for share in (10, 50, 90)},
        "hops_ms_p10": round(_percentile(together, 10) - _percentile(alone, 10), 2),
        "one_process_cpu_ms": round(float(alone_cpu.mean()), 2),
        "graph_cpu_ms": round(graph_cpu, 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
