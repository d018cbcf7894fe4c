"""Plays observations of bags to the policy node and keeps what it plans; `zprl_core.replay` has the rules.

It also says what a session would: which episode runs, on which path of the policy. Of a bag only the task's
cameras and proprioception are played. It ends when all bags were played, unless it loops.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from zprl_interfaces.msg import ObserveDue, PlannedChunk, Proprioception, SessionState
from zprl_interfaces.srv import Seek

from zprl_bringup import convert, qos
from zprl_bringup.node import Node, run
from zprl_bringup.replayable import read_replayable
from zprl_core.errors import RigError
from zprl_core.observation import PROPRIOCEPTION
from zprl_core.record_log import RecordLog
from zprl_core.replay.episodes import filled_snapshots, replay_episodes
from zprl_core.replay.modes import MODES, replayed_mode
from zprl_core.replay.plans import PLANS, STATS, Planned
from zprl_core.replay.playback import Ask, Playback, Sample, events
from zprl_core.run_folder import write_json
from zprl_session.lifecycle import LifecycleManager
from zprl_session.readiness import Readiness

TICK_S = 0.001
"""How often it is looked whether something is due."""
AT_ONCE = 64
"""Events between two looks at the graph."""
PATIENCE_S = 60.0
CLOCK_NS = 10_000_000


class PlayerNode(Node):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__("player_node")
        self._setup = self.setup()
        folder = self._setup.folder
        bags: list[str] = self.parameter("bags", [], "bags to play, in their order")
        self._mode = self.parameter("mode", "auto", "path of the policy", allowed=MODES)
        self._steers = self.parameter("steers", False, "whether the policy has an actor")
        rate = self.parameter("rate", 0.0, "times the recorded pace; 0: as fast as it is taken", low=0.0)
        self._start_s = self.parameter(
            "start_s", 0.0, "begin so long after each bag's first sample, s", low=0.0
        )
        self._loop = self.parameter("loop", False, "begin again after the last bag")
        managed: list[str] = self.parameter("managed_nodes", [], "lifecycle nodes to bring up")
        self._rate = rate or None
        self._bags, self._playing = [Path(bag) for bag in bags], -1
        self._playback: Playback | None = None
        self._coming: Playback | None = None  # once the policy has forgotten what was before
        self._source, self._begun, self._clock_ns = "", 0, 0
        self._kept: set[tuple[str, int, int]] = set()
        self._counts = {"images": 0, "vectors": 0, "chunks": 0}
        self._wall_s, self._bag_s, self._asked_s = 0.0, 0.0, 0.0
        self._log = RecordLog(folder.path / PLANS)
        self._open()
        self._lifecycle = LifecycleManager(self, managed, self._on_managed, self._give_up, PATIENCE_S)

    def shut_down(self) -> None:
        """Keep what was planned, and say what was sent."""
        self._log.close()
        times = {"wall_s": round(self._wall_s, 3), "recorded_s": round(self._bag_s, 3)}
        write_json(self._setup.folder.path / STATS, {**self._counts, **times})

    def _open(self) -> None:
        profile = qos.replayed()
        self._images = {
            view.name: self.create_publisher(Image, f"/cameras/{view.name}/image", profile)
            for view in self._setup.task.observation.cameras
        }
        self._vectors = self.create_publisher(Proprioception, "/proprioception", profile)
        self._asks = self.create_publisher(ObserveDue, "/rig/observe", profile)
        self._states = self.create_publisher(SessionState, "/session/state", qos.changes())
        self._time = self.create_publisher(Clock, "/clock", qos.status())
        self._forget = self.create_client(Trigger, "/policy/forget")
        self.create_subscription(PlannedChunk, "/policy/plan", self._on_plan, profile)
        self.create_service(Trigger, "~/pause", self._on_pause)
        self.create_service(Trigger, "~/resume", self._on_resume)
        self.create_service(Seek, "~/seek", self._on_seek)

    def _on_managed(self) -> None:
        publishers = [*self._images.values(), self._vectors, self._asks, self._states]
        there: dict[str, Callable[[], bool]] = {
            f"a subscriber of {each.topic_name}": partial(_is_heard, each) for each in publishers
        }
        there["the policy's plans"] = lambda: self.count_publishers("/policy/plan") > 0
        Readiness(self, there, self._start, self._give_up, patience_s=PATIENCE_S, settle_s=0.5)

    def _give_up(self, reason: str) -> None:
        self.fail(RigError(reason))

    def _start(self) -> None:
        self._next_bag()
        self.create_timer(TICK_S, self._look)

    def _next_bag(self) -> None:
        """Read the next bag, once the policy has forgotten the one before."""
        self._playback = None
        self._playing += 1
        if self._playing >= len(self._bags):
            if not self._loop:
                self.finished = True
                return
            self._playing = 0
        bag = self._bags[self._playing]
        found = read_replayable(bag, self._setup.task, self._setup.rig)
        episodes = replay_episodes(found.recording, self._setup.task, found.account, lockstep=found.lockstep)
        policy = filled_snapshots(found.recording, self._setup.task, lockstep=found.lockstep)
        queue = events(found.recording, episodes, policy)
        self._source = str(found.recording.path)
        self._begin_s = time.monotonic()
        self._ready(Playback(queue, self._rate, time.monotonic_ns()), self._start_s)

    def _ready(self, playback: Playback, after_s: float | None) -> None:
        """Play once all samples of another place are forgotten."""
        self._playback, self._coming = None, playback

        def forgotten(_: Trigger.Response) -> None:
            if after_s:
                playback.seek(after_s, time.monotonic_ns())
            self._playback, self._coming = playback, None

        self.call(self._forget, Trigger.Request(), forgotten, patience_s=PATIENCE_S)

    def _look(self) -> None:
        for _ in range(AT_ONCE):
            playback = self._playback
            if playback is None:
                return
            now_ns = time.monotonic_ns()
            if playback.over:
                self._wall_s += time.monotonic() - self._begin_s
                self._bag_s += playback.length_s
                self._next_bag()
                return
            event = playback.due(now_ns)
            if event is None:
                self._check_patience(playback)
                return
            self._tell_time(event.at_ns)
            self._send(event)

    def _check_patience(self, playback: Playback) -> None:
        asked = playback.asked
        if asked is not None and time.monotonic() - self._asked_s > PATIENCE_S:
            place = f"chunk {asked.moment.chunk} of {self._source}"
            self.fail(RigError(f"no plan for {place} after {PATIENCE_S:g} s; see logs/policy_node.log"))

    def _tell_time(self, at_ns: int) -> None:
        if abs(at_ns - self._clock_ns) >= CLOCK_NS:
            self._clock_ns = at_ns
            self._time.publish(Clock(clock=convert.time_message(at_ns)))

    def _send(self, event: Sample | Ask) -> None:
        if isinstance(event, Ask):
            self._ask(event)
        elif event.stream == PROPRIOCEPTION:
            header = convert.header(event.stamp_ns)
            self._vectors.publish(Proprioception(header=header, q=convert.doubles(event.data)))
            self._counts["vectors"] += 1
        else:
            message = convert.image_message(event.data, event.stamp_ns, f"camera_{event.stream}")
            self._images[event.stream].publish(message)
            self._counts["images"] += 1

    def _ask(self, ask: Ask) -> None:
        """Say what a session says while an episode runs, and ask for the chunk."""
        running, moment = ask.episode.running, ask.moment
        self._begun += ask.begins
        self._asked_s = time.monotonic()
        self._states.publish(
            SessionState(
                header=convert.header(moment.observed_ns),
                run_id=self._setup.run_id,
                state="running",
                episode=running.episode,
                mode=replayed_mode(self._mode, running.mode, steers=self._steers),
                cleared_chunk=moment.chunk - 1,
                ending_chunk=-1,
                since=convert.time_message(self._begun),
            )
        )
        self._asks.publish(
            ObserveDue(
                header=convert.header(moment.observed_ns),
                episode=running.episode,
                chunk=moment.chunk,
                chunk_start=convert.time_message(moment.start_ns),
                newest=[convert.time_message(stamp) for stamp in ask.newest_ns],
            )
        )

    def _on_plan(self, message: PlannedChunk) -> None:
        if message.run_id != self._setup.run_id or self._playback is None:
            return
        asked = self._playback.planned(message.episode, message.chunk, time.monotonic_ns())
        if asked is None:
            return
        planned = Planned(
            self._source,
            message.episode,
            message.chunk,
            message.mode,
            convert.plan(message),
            message.inference_s,
        )
        if planned.key not in self._kept:
            self._kept.add(planned.key)
            self._log.append(planned.to_record())
            self._counts["chunks"] += 1
        self._look()

    def _on_pause(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._commanded(response, Playback.pause)

    def _on_resume(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._commanded(response, Playback.resume)

    def _on_seek(self, request: Seek.Request, response: Seek.Response) -> Seek.Response:
        playback = self._playback or self._coming
        if playback is None or not 0.0 <= request.after_s <= playback.length_s:
            length = "no bag is playing" if playback is None else f"allowed: 0 to {playback.length_s:.3f} s"
            response.message = f"after_s {request.after_s:g}: {length}"
            return response
        self._ready(playback, request.after_s or 1e-9)
        response.success = True
        return response

    def _commanded(self, response: Any, command: Callable[[Playback, int], None]) -> Any:
        playback = self._playback or self._coming
        if playback is None:
            response.message = "no bag is playing"
        else:
            command(playback, time.monotonic_ns())
            response.success = True
        return response


def _is_heard(publisher: Any) -> bool:
    return bool(publisher.get_subscription_count())


def main() -> None:
    """Entry point."""
    run(PlayerNode)


if __name__ == "__main__":
    main()
