"""A person's hands and the arms of a rig: what each arm is told, and how late it follows. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from zprl_core.config import RigConfig, TaskConfig
from zprl_core.errors import DataError
from zprl_core.latency import fit_delay
from zprl_core.safety import ChunkCommand
from zprl_core.teleop.clock import RemoteClock
from zprl_core.teleop.clutch import ClutchSettings, HandSample
from zprl_core.teleop.pilot import Moment, Pilot
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose

HANDS = ("left", "right")
MEMORY_S = 4.0
"""What the latency is fitted to."""
FIT_EVERY_S = 1.0
_LEAST_WAY_M = 0.03  # less motion than this tells no latency
REFUSED_S = 1.0
"""How long a person is shown why an arm's bridge refused what a hand wanted."""
_STALE_S = 0.3  # an arm that was not heard of for so long cannot be moved by hand


class Hand(NamedTuple):
    """One hand, as a headset or a keyboard tells it.

    Attributes:
        pose: of the grip in the reference space (see `zprl_core.teleop.clutch`).
        grip, trigger: how far they are pressed, 0 to 1.
        tracked: whether its position was seen, and not made up.
    """

    pose: Pose
    grip: float
    trigger: float
    tracked: bool


class ArmSample(NamedTuple):
    """What an arm's bridge tells.

    Attributes:
        stamp_ns: when it was measured, ns.
        told: where it was told to be last. measured: where its tool was.
        fault: why it holds; empty where nothing stops it.
    """

    stamp_ns: int
    told: Setpoint
    measured: Pose
    fault: str


@dataclass(frozen=True)
class HandView:
    """What a person is shown of one hand and its arm.

    Attributes:
        hand: left or right; empty where no hand moves this arm.
        closed: whether the hand moves the arm. why: why it opened by itself, or moves nothing while closed.
        width_m: of the gripper, as it was told last; None where there is none.
        latency_s: from the hand to the measured arm; None while nothing moved that would tell.
    """

    hand: str
    closed: bool
    why: str
    width_m: float | None
    latency_s: float | None


@dataclass
class _Side:
    """One arm and the hand that moves it."""

    pilot: Pilot
    hand: str
    sample: ArmSample | None = None
    wished: deque[tuple[int, np.ndarray]] = field(default_factory=deque)
    measured: deque[tuple[int, np.ndarray]] = field(default_factory=deque)
    latency_s: float | None = None
    fitted_ns: int = 0
    refused: str = ""
    refused_ns: int = 0


class Teleoperation:
    """Everything that a teleoperation node decides.

    Arms named left and right are moved by these hands; the only arm of a rig by the right one, until another
    is chosen.

    Args:
        rig, task: whose arms, and what the chunks look like.
        settings: of every clutch.
        demonstrated: no policy drives in this session.
    """

    def __init__(
        self, rig: RigConfig, task: TaskConfig, settings: ClutchSettings, *, demonstrated: bool
    ) -> None:
        self._settings = settings
        self._clock = RemoteClock()
        self._run_id, self._episode, self._state = "", 0, ""
        hands = {arm.name: _hand_of(arm.name, index) for index, arm in enumerate(rig.arms)}
        self._sides = {
            arm.name: _Side(Pilot(arm, task, settings, demonstrated=demonstrated), hands[arm.name])
            for arm in rig.arms
        }

    @property
    def settings(self) -> ClutchSettings:
        """Of every clutch."""
        return self._settings

    @property
    def closed(self) -> bool:
        """Whether a hand moves an arm."""
        return any(side.pilot.clutch.closed for side in self._sides.values())

    def configure(self, settings: ClutchSettings, hand: str = "") -> None:
        """Other settings; what is held is let go, so that no arm jumps.

        Args:
            settings: of every clutch.
            hand: that moves the only arm of a rig; empty: as before.
        """
        if settings == self._settings and hand in ("", *(side.hand for side in self._sides.values())):
            return
        self.let_go("the settings were changed")
        self._settings = settings
        for side in self._sides.values():
            side.pilot.clutch.settings = settings
            if hand and len(self._sides) == 1:
                side.hand = hand

    def on_session(self, run_id: str, episode: int, state: str) -> None:
        """The session has told its state."""
        self._run_id, self._episode, self._state = run_id, episode, state

    def on_arm(self, arm: str, sample: ArmSample) -> None:
        """An arm has told where it is."""
        side = self._sides[arm]
        side.sample = sample
        _remember(side.measured, sample.stamp_ns, sample.measured.position)

    def on_refused(self, arm: str, reason: str, now_ns: int) -> None:
        """An arm's bridge refused a chunk of the hand's: it stands still while the clutch is closed."""
        side = self._sides[arm]
        side.refused, side.refused_ns = reason, now_ns

    def on_hands(self, remote_ms: float, arrival_ns: int, hands: Mapping[str, Hand]) -> None:
        """The page has told where the hands are.

        Args:
            remote_ms: when it saw them, by its own clock.
            arrival_ns: when the message came, by ours.
            hands: left and right, those that there are.
        """
        stamp_ns = self._clock.ours_ns(remote_ms, arrival_ns)
        for side in self._sides.values():
            hand = hands.get(side.hand)
            if hand is not None and side.sample is not None:
                sample = HandSample(stamp_ns, remote_ms, hand.pose, hand.grip, hand.tracked)
                side.pilot.on_hand(sample, hand.trigger, side.sample.told)

    def new_client(self) -> None:
        """Another page has the hands: its clock is another one."""
        self._clock = RemoteClock()
        for side in self._sides.values():
            side.pilot.clutch.forget()

    def let_go(self, why: str) -> None:
        """Open every clutch that is closed."""
        for side in self._sides.values():
            if side.pilot.clutch.closed:
                side.pilot.clutch.open(why)

    def commands(self, now_ns: int) -> dict[str, ChunkCommand]:
        """The chunks that are due now, by arm; none for an arm that no hand moves."""
        found = {}
        for arm, side in self._sides.items():
            if now_ns - side.refused_ns > REFUSED_S * 1e9:
                side.refused = ""
            if side.sample is None:
                continue
            silent_s = (now_ns - side.sample.stamp_ns) * 1e-9
            silence = f"no word from arm '{arm}' for {silent_s:.1f} s" if silent_s > _STALE_S else ""
            if silence and side.pilot.clutch.closed:
                side.pilot.clutch.open(silence)
            told, fault = side.sample.told, side.sample.fault or silence  # where it is now, nobody knows then
            moment = Moment(now_ns, self._run_id, self._episode, self._state, told, fault)
            command = side.pilot.command(moment)
            if command is not None:
                found[arm] = command
                target = side.pilot.clutch.time(now_ns).pose
                if target is not None:
                    _remember(side.wished, side.pilot.clutch.seen_ns, target.position)
        return found

    def fit_latency(self, now_ns: int) -> None:
        """Every second of a movement: how far behind each hand its arm is. Takes some ms."""
        for side in self._sides.values():
            if side.pilot.clutch.closed and now_ns - side.fitted_ns > FIT_EVERY_S * 1e9:
                side.latency_s, side.fitted_ns = _latency_s(side), now_ns

    def view(self) -> dict[str, HandView]:
        """What a person is shown, by arm."""
        return {arm: _view(side) for arm, side in self._sides.items()}


def _hand_of(arm: str, index: int) -> str:
    if arm in HANDS:
        return arm
    return "right" if index == 0 else "left"


def _remember(samples: deque[tuple[int, np.ndarray]], stamp_ns: int, position: np.ndarray) -> None:
    if samples and samples[-1][0] >= stamp_ns:
        return
    samples.append((stamp_ns, np.array(position)))
    while stamp_ns - samples[0][0] > MEMORY_S * 1e9:
        samples.popleft()


def _view(side: _Side) -> HandView:
    told = side.sample.told.gripper_width if side.sample is not None else None
    clutch = side.pilot.clutch
    refused = f"the arm refuses: {side.refused}" if side.refused and clutch.closed else ""
    return HandView(side.hand, clutch.closed, clutch.why or refused, told, side.latency_s)


def _latency_s(side: _Side) -> float | None:
    """From the hand to the measured arm, along the axis in which the hand moved most."""
    if len(side.wished) < 2 or len(side.measured) < 2:
        return None
    start_ns = side.wished[0][0]
    wished_s, wished = _curves(side.wished, start_ns)
    measured_s, measured = _curves(side.measured, start_ns)
    inside = (measured_s >= wished_s[0]) & (measured_s <= wished_s[-1])
    axis = int(np.ptp(wished, axis=0).argmax())
    if np.ptp(wished[:, axis]) < _LEAST_WAY_M or not inside.any():
        return None
    try:
        return fit_delay(wished_s, wished[:, axis], measured_s[inside], measured[inside, axis]).delay_s
    except DataError:
        return None


def _curves(samples: deque[tuple[int, np.ndarray]], start_ns: int) -> tuple[np.ndarray, np.ndarray]:
    """Times (n,), s, and positions (n, 3), m."""
    times = np.array([stamp_ns - start_ns for stamp_ns, _ in samples]) * 1e-9
    return times, np.array([position for _, position in samples])
