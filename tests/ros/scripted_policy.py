"""A stand-in for the policy node: publishes the scripted expert's chunks through the real handshake. Tests
only.

It writes one line of JSON per chunk to `log`: what it saw (stamps and digests of image and q), what it sent,
and when it got which message, so that a test can compare runs and the benchmark can count hops.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from sensor_msgs.msg import Image
from zprl_interfaces.msg import ActionChunk, ChunkReport, ObserveDue, Proprioception, SessionState

from zprl_bringup import convert, qos
from zprl_bringup.node import Node, run
from zprl_bringup.ticks import GridTimer
from zprl_core.grid import TickGrid
from zprl_core.noise import digest
from zprl_sim.executor import encode
from zprl_sim.expert import Intent, plan
from zprl_sim.layout import draw_layout


class ScriptedPolicy(Node):
    """Answers every observation with the next piece of a demonstration without flaws."""

    def __init__(self) -> None:
        super().__init__("scripted_policy")
        setup = self.setup()
        self._run_id, self._task, self._lockstep = setup.run_id, setup.task, setup.lockstep
        self._arm = setup.rig.arms[0]
        self._nan_episode = self.parameter("nan_episode", -1, "episode whose chunk 1 holds a NaN")
        self._log = Path(self.parameter("log", "", "file for one line per chunk"))
        profile = qos.stream(setup.lockstep)
        self._chunks = self.create_publisher(ActionChunk, f"/arms/{self._arm.name}/command", profile)
        self._images: dict[int, str] = {}
        self._vectors: dict[int, str] = {}
        self._due: dict[tuple[int, int], tuple[int, int]] = {}
        self._reported: dict[tuple[int, int], float] = {}
        self._session: SessionState | None = None
        self._sent = -1
        self._start_tick = 0
        self._actions = np.empty((0, 7))
        self._episode = -1
        self._times = {"image": 0.0, "proprioception": 0.0, "due": 0.0, "cleared": 0.0, "report": 0.0}
        for view in setup.task.observation.cameras:
            self.create_subscription(Image, setup.rig.camera(view.name).topic, self._on_image, profile)
        self.create_subscription(Proprioception, "/proprioception", self._on_proprioception, profile)
        self.create_subscription(SessionState, "/session/state", self._on_session, qos.changes())
        self.create_subscription(ChunkReport, f"/arms/{self._arm.name}/report", self._on_report, profile)
        if setup.lockstep:
            self.create_subscription(ObserveDue, "/rig/observe", self._on_due, profile)
        else:
            self._grid = TickGrid(setup.task.rate_hz)
            self._timer = GridTimer(self, self._grid, self._on_tick)

    def _on_image(self, message: Image) -> None:
        self._images[convert.stamp_ns(message)] = digest(convert.image_array(message))
        self._take("image")

    def _on_proprioception(self, message: Proprioception) -> None:
        self._vectors[convert.stamp_ns(message)] = digest(convert.vector(message.q))
        self._take("proprioception")

    def _on_report(self, message: ChunkReport) -> None:
        self._write(
            kind="report", episode=message.episode, chunk=message.chunk, status=int(message.status),
            reason=message.reason, executed=digest(convert.vector(message.executed)),
            skipped=int(message.skipped_steps), first_motion_s=message.first_motion_s,
            seam_gap_s=message.seam_gap_s, jump_m_s=message.seam_velocity_jump_m_s,
            clamped=message.clamped_fraction,
        )  # fmt: skip
        self._take("report")

    def _on_due(self, message: ObserveDue) -> None:
        start_ns = convert.time_ns(message.chunk_start)
        self._due[message.episode, message.chunk] = (convert.stamp_ns(message), start_ns)
        self._take("due")

    def _on_session(self, message: SessionState) -> None:
        if message.run_id != self._run_id:
            return
        self._session = message
        self._write(
            kind="session", sequence=int(message.sequence), state=message.state, episode=message.episode,
            cleared=message.cleared_chunk, outcome=message.outcome, reason=message.reason,
        )  # fmt: skip
        if message.state == "running" and message.episode != self._episode:
            self._episode, self._sent = message.episode, -1
            if not self._lockstep:
                self._start_tick = self._grid.index(self.now_ns()) + 1
            setpoints = plan(draw_layout(message.layout_seed), Intent())[1:]
            self._actions = np.array([encode(setpoint) for setpoint in setpoints])
        self._take("cleared")

    def _take(self, what: str) -> None:
        self._times[what] = time.perf_counter()
        if self._lockstep:
            self._advance()

    def _advance(self) -> None:
        chunk, session = self._sent + 1, self._session
        due = self._due.get((self._episode, chunk))
        if session is None or session.state != "running" or session.cleared_chunk < chunk - 1 or due is None:
            return
        stamp_ns, start_ns = due
        if stamp_ns in self._images and stamp_ns in self._vectors:
            self._publish(chunk, stamp_ns, start_ns)

    def _on_tick(self, n: int, stamp_ns: int) -> None:
        size, session = self._task.action.chunk, self._session
        if session is None or session.state != "running":
            return
        blind = stamp_ns - max(self._images, default=0) > self._task.observation.max_age_s * 1e9
        if self._sent < 0 and (blind or self._chunks.get_subscription_count() == 0):
            self._start_tick = n + 1  # as the policy: not before it sees, and somebody hears
        if blind or n < self._start_tick:
            return
        chunk = (n - self._start_tick) // size
        if chunk > self._sent:
            observed = self._start_tick + chunk * size
            self._publish(
                chunk, self._grid.at(observed), self._grid.at(observed + self._task.observation.lead_steps)
            )

    def _publish(self, chunk: int, stamp_ns: int, start_ns: int) -> None:
        size = self._task.action.chunk
        rows = np.minimum(np.arange(chunk * size, (chunk + 1) * size), len(self._actions) - 1)
        actions = self._actions[rows]
        if self._episode == self._nan_episode and chunk == 1:
            actions = np.full_like(actions, np.nan)
        self._sent = chunk
        message = ActionChunk(
            header=convert.header(start_ns, self._arm.frame), run_id=self._run_id,
            episode=self._episode, chunk=chunk,
            source="policy", dt_s=self._task.action.repeat / self._task.rate_hz, dim=actions.shape[1],
            actions=convert.doubles(actions),
        )  # fmt: skip
        self._chunks.publish(message)
        self._write(
            kind="chunk", episode=self._episode, chunk=chunk, stamp_ns=stamp_ns, start_ns=start_ns,
            image=self._images.get(stamp_ns, ""), q=self._vectors.get(stamp_ns, ""), actions=digest(actions),
            sent_at=time.perf_counter(), got_at=dict(self._times), wall_ns=time.time_ns(),
        )  # fmt: skip

    def _write(self, **fields: object) -> None:
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(fields) + "\n")


def main() -> None:
    """Run the node."""
    run(ScriptedPolicy)


if __name__ == "__main__":
    main()
