"""The newest of everything that the graph says, with the time of its arrival. Pure: time is an argument.

Arrival is measured on a monotonic clock, s, since in lockstep the messages' own stamps are simulated.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zprl_core.config import CaseConfig
from zprl_core.config.region import RegionConfig
from zprl_core.plan import Trial
from zprl_web.outlines import Corners
from zprl_web.stream import Stream

MOST_EVENTS = 40
MOST_MOTIONS = 24
_RATE_WINDOW_S = 20.0


@dataclass(frozen=True)
class Cell:
    """What the panel is told at its start and never changes.

    Attributes:
        run_id: messages of another run are not looked at.
        task, rig: names, for people.
        lockstep: simulated time: cameras and arms are silent for as long as nothing happens.
        chunk_steps, horizon_steps: ticks of a chunk and of the longest episode.
        arms, cameras: names in the rig and in the task.
        nodes: everybody who belongs to the graph, as "/name".
        managed: those of them with a lifecycle.
        reset: how the scene comes to its start, see the task's key.
        region: where a person lays the objects out; None where nobody does.
        corners: of that region in the pictures of each camera that knows them.
        cases: the task's robustness cases by name.
        blind: nothing that the page is sent may tell which policy drives.
    """

    run_id: str
    task: str
    rig: str
    lockstep: bool
    chunk_steps: int
    horizon_steps: int
    arms: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    managed: tuple[str, ...] = ()
    reset: str = "manual"
    region: RegionConfig | None = None
    corners: Mapping[str, Corners] = field(default_factory=dict)
    cases: Mapping[str, CaseConfig] = field(default_factory=dict)
    blind: bool = False


@dataclass(frozen=True)
class Seen:
    """A message and when it came."""

    message: Any
    at_s: float


@dataclass(frozen=True)
class Event:
    """Something that people should have seen.

    Attributes:
        wall_s: when, Unix time.
        kind: one word: refused, clamped, rough, stop, fault, guard, control.
        text: the rest.
        count: how often in a row.
    """

    wall_s: float
    kind: str
    text: str
    count: int = 1


@dataclass
class NodeLook:
    """A node of the graph.

    Attributes:
        present: whether its name is on the graph now.
        ever: whether it was, once.
        state: of its lifecycle, empty where it has none or has not said.
        asked_s: since when an answer about its state is awaited; None while none is.
    """

    present: bool = False
    ever: bool = False
    state: str = ""
    asked_s: float | None = None


@dataclass
class Latest:
    """The newest of everything; the node feeds it, `view` and `banners` read it.

    Attributes:
        started_s: when the panel started.
        motions: how the arms moved in the last episodes, the newest last.
        trial: which one of an evaluation's episodes the present one is; None in no evaluation.
        state_s, running_s: when the session's present state, and the present episode's motion, began.
    """

    cell: Cell
    started_s: float
    decode: Callable[[Any], Any] = lambda content: content
    session: Seen | None = None
    trial: Trial | None = None
    state_s: float = 0.0
    running_s: float | None = None
    running_for_s: float = 0.0
    policy: Seen | None = None
    learner: Seen | None = None
    lease_s: float | None = None
    disk_free: int | None = None
    devices: dict[str, Seen] = field(default_factory=dict)
    motions: deque[Any] = field(default_factory=lambda: deque(maxlen=MOST_MOTIONS))
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))

    def __post_init__(self) -> None:
        self.arms = {name: Stream(self.decode) for name in self.cell.arms}
        self.cameras = {name: Stream() for name in self.cell.cameras}
        self.nodes = {name: NodeLook() for name in self.cell.nodes}
        self._updates: deque[tuple[float, int]] = deque()

    def on_session(self, message: Any, now_s: float, wall_s: float, now: Trial | None = None) -> None:
        """/session/state, and which trial its episode is."""
        if message.run_id != self.cell.run_id:
            return
        self.trial = now
        before = self.session.message if self.session else None
        self.session = Seen(message, now_s)
        if before is not None and (before.state, before.episode) == (message.state, message.episode):
            return
        self.state_s = now_s
        self._time_motion(message, before, now_s)
        if message.state in ("stopped", "faulted"):
            self._note(wall_s, "fault" if message.state == "faulted" else "stop", message.reason)

    def _time_motion(self, message: Any, before: Any, now_s: float) -> None:
        if before is None or before.episode != message.episode:
            self.running_s, self.running_for_s = None, 0.0
        if message.state == "running":
            self.running_s = now_s
        elif self.running_s is not None:
            self.running_for_s, self.running_s = self.running_for_s + now_s - self.running_s, None

    def motion_s(self, now_s: float) -> float:
        """For how long the policy has driven in this episode."""
        return self.running_for_s + (now_s - self.running_s if self.running_s is not None else 0.0)

    def on_lease(self, message: Any, now_s: float) -> None:
        """/session/lease."""
        if message.frame_id == self.cell.run_id:
            self.lease_s = now_s

    def on_policy(self, message: Any, now_s: float, wall_s: float) -> None:
        """/policy/status."""
        before = self.policy.message.guard if self.policy else ""
        self.policy = Seen(message, now_s)
        if message.guard and message.guard != before and not self.cell.blind:  # only a steered one has it
            self._note(wall_s, "guard", message.guard)

    def on_learner(self, message: Any, now_s: float) -> None:
        """/learner/status."""
        self.learner = Seen(message, now_s)
        self._updates.append((now_s, int(message.updates)))
        while now_s - self._updates[0][0] > _RATE_WINDOW_S:
            self._updates.popleft()

    def updates_hz(self, now_s: float) -> float:
        """Gradient updates per second, lately."""
        recent = [item for item in self._updates if now_s - item[0] <= _RATE_WINDOW_S]
        if len(recent) < 2:
            return 0.0
        return (recent[-1][1] - recent[0][1]) / max(now_s - recent[0][0], 1e-3)

    def on_report(self, report: Any, wall_s: float) -> None:
        """/arms/<arm>/report: what was refused, interrupted or changed."""
        which = f"{report.arm}, chunk {report.episode}/{report.chunk}: {report.reason}"
        if report.status == report.REFUSED:
            self._note(wall_s, "refused", which)
        elif report.status in (report.INTERRUPTED, report.LABELLED, report.TAKEN_OVER):
            self._note(wall_s, "interrupted", which)
        elif report.status == report.EXECUTED and report.reason:
            share = f" ({100 * report.clamped_fraction:.0f} % of its servo periods)"
            self._note(wall_s, "clamped", which + (share if report.clamped_fraction else ""))

    def on_motion(self, message: Any, wall_s: float) -> None:
        """/arms/<arm>/motion: an episode's motion is over. Those of before the panel came are no news."""
        if message.run_id != self.cell.run_id:
            return
        key, known = (message.episode, message.arm), list(self.motions)
        kept = [motion for motion in known if (motion.episode, motion.arm) != key]
        self.motions.clear()
        self.motions.extend([*kept, message])
        now = self.session.message.episode if self.session else None
        if now is not None and message.episode >= now - 1:
            for alarm in message.alarms:
                self._note(wall_s, "rough", f"{message.arm}, episode {message.episode}: {alarm}")

    def on_stop(self, message: Any, wall_s: float) -> None:
        """/rig/stop."""
        self._note(wall_s, "stop", f"{message.source}: {message.reason}")

    def on_control(self, text: str, wall_s: float) -> None:
        """Who has the control seat has changed."""
        self._note(wall_s, "control", text)

    def on_diagnostics(self, message: Any, now_s: float) -> None:
        """/diagnostics."""
        for status in message.status:
            self.devices[status.name] = Seen(status, now_s)

    def on_names(self, names: set[str]) -> None:
        """The names of the nodes that are on the graph, as "/name"."""
        for name, node in self.nodes.items():
            node.present = name in names
            node.ever = node.ever or node.present
            if not node.present:
                node.state, node.asked_s = "", None

    def _note(self, wall_s: float, kind: str, text: str) -> None:
        last = self.events[-1] if self.events else None
        if last is not None and (last.kind, last.text) == (kind, text):
            self.events[-1] = Event(wall_s, kind, text, last.count + 1)
        else:
            self.events.append(Event(wall_s, kind, text))
