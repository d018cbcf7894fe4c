"""Writes one bag an episode from serialised messages as they arrive; see docs/bags.md.

Topics are found on the graph, so that whatever a rig publishes is recorded. Messages are taken 50 times a
second and dealt with in the order in which they were sent, in one thread: while the disk makes it wait, they
wait in the subscriptions. The subscriptions belong to a node that no executor serves, as rclpy 9's
EventsExecutor cannot take a serialised message together with its time and number.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import rclpy
from rclpy.serialization import deserialize_message
from zprl_interfaces.msg import ChunkReport, EpisodeMotion, SessionState
from zprl_interfaces.srv import SessionCommand

from zprl_bringup import convert
from zprl_bringup.node import LifecycleNode, run
from zprl_core.bags.definitions import find_definition
from zprl_core.bags.episodes import EpisodeBags, RoomError, Source
from zprl_core.bags.rosbag2 import DISTRO, qos_text
from zprl_core.errors import DataError
from zprl_core.run_folder import read_json
from zprl_recorder import pictures, sources
from zprl_recorder.in_order import InOrder

LOOK_S, TAKE_S = 0.1, 0.02
"""How often new topics are looked for, and messages taken."""
LATE_NS, LATE_LOCKSTEP_NS = 100_000_000, 1_000_000_000
"""How long what was sent before a message, or belongs before it, is waited for. Longer in lockstep: simulated
time waits for nobody once an outcome is known, and the next episode's reset comes some ms later, before the
report of the last chunk and the picture of its end.
"""
REMEMBERED = 20_000
STOP_S = 3.0
"""How long the session has to stop the arms before the recorder ends after an error."""
SESSION, CORRECTION = "/session/state", "/session/correction"
OF_AN_EPISODE = {"report": ChunkReport, "motion": EpisodeMotion}
"""What an arm says of an episode, by the last word of the topic; it can come after the next one's reset."""
OF_AN_ARM, RESETTING = re.compile(r"/arms/[^/]+/(report|motion)"), "resetting"
LATCHED = ("/learner/actor",)
"""Published before the episode that needs it: every bag begins with the newest one."""


@dataclass(eq=False)
class Tap:
    """A topic that is subscribed to.

    Attributes:
        subscription: never called, only taken from.
        source: what the bag says about it.
        quality: of the JPEG that its pictures become, 0 where it is recorded as it is.
        seen: whether it is an observation, stamped with when it was made.
        last: number of the last message, by publisher.
    """

    subscription: Any
    source: Source
    quality: int
    seen: bool
    last: dict[bytes, int]

    def take(self) -> Iterator[Arrival]:
        """What has arrived since the last time."""
        handle, kind = self.subscription.handle, self.subscription.msg_type
        with handle:
            while (taken := handle.take_message(kind, True)) is not None:
                yield Arrival(self, *taken)

    def missing(self, info: Any) -> int:
        """How many messages of this one's publisher did not come since the last one; 0 where rclpy does not
        tell whose it is (before Kilted).
        """
        if "publisher_gid" not in info:
            return 0
        number, publisher = info["publication_sequence_number"], info["publisher_gid"]["data"]
        before = self.last.get(publisher, number - 1)
        self.last[publisher] = number
        return max(0, int(number - before - 1))


class Arrival(NamedTuple):
    """A serialised message, and what DDS says of it."""

    tap: Tap
    data: bytes
    info: Any


class Reset(NamedTuple):
    """An episode's first reset: when it was sent, and its own stamp, which is simulated time in lockstep."""

    episode: int
    sent_ns: int
    stamp_ns: int


class RecorderNode(LifecycleNode):
    """Records /session/state's episodes into RUN/bags."""

    def __init__(self) -> None:
        super().__init__("recorder_node")
        self._setup = self.setup()
        cv2.setNumThreads(1)
        self._folder = self._setup.folder
        self._config = self._setup.rig.recording
        self._demonstrations = self._folder.spec.mode == "collect"
        self._cameras = {camera.topic for camera in self._setup.rig.cameras}
        self._bags: EpisodeBags | None = None
        self._stopping = False
        self._arrived = InOrder[Arrival](LATE_LOCKSTEP_NS if self._setup.lockstep else LATE_NS)
        self._reset = Reset(0, 0, 0)
        self._taps: dict[str, Tap | None] = {}  # None: cannot be recorded, and it was said why
        self._counts = {"messages": 0, "bytes": 0, "lost": 0}
        self._waited_ns: deque[int] = deque(maxlen=REMEMBERED)
        self._listener = rclpy.create_node(
            "recorder_topics", use_global_arguments=False, start_parameter_services=False, enable_rosout=False
        )
        self._commands = self.create_client(SessionCommand, "/session/command")

    def configure(self) -> None:
        """Bring earlier bags up to episodes.jsonl, and begin to look for topics."""
        distro = os.environ.get("ROS_DISTRO", DISTRO)
        try:
            self._bags = EpisodeBags(self._folder, self._facts(), distro, self._config.reserve_gib)
            self._bags.require_room()
        except OSError as error:
            cure = "Free space" + ("" if self._demonstrations else ", or give --no-record")
            raise DataError(f"{self._folder.bags}: cannot record: {error.strerror}. {cure}") from error
        self._since_ns = self.now_ns()
        self._look()
        self.create_timer(LOOK_S, self._look)
        self.create_timer(TAKE_S, self._take)
        self.create_timer(self._config.flush_s, self._flush)

    def shut_down(self) -> None:
        """Finish the bag that is open."""
        self._record_until(None)
        try:
            if self._bags is not None:
                self._bags.finish()
            self._folder.write_stats("recorder", {**self._counts, **self._waits()})
        except OSError as error:
            self.get_logger().error(self._complaint(error))
        self._listener.destroy_node()

    def _waits(self) -> dict[str, Any]:
        """From a message's arrival until it was written, ms, of the last ones."""
        if not self._waited_ns:
            return {}
        p50, p99, longest = np.percentile(np.array(self._waited_ns) * 1e-6, [50, 99, 100])
        return {"arrival_to_bag_ms": {"p50": p50, "p99": p99, "max": longest}}

    def _facts(self) -> dict[str, str]:
        """What is known of the run; see docs/bags.md."""
        setup, calibration = self._setup, self._setup.rig.calibration
        versions = self._folder.versions_file
        return {
            "run_id": setup.run_id,
            "rig": setup.rig.name,
            "task": setup.task.name,
            "seed": str(setup.seed),
            "lockstep": str(setup.lockstep).lower(),
            "lead_steps": str(setup.task.observation.lead_steps),
            "calibration": calibration.id if calibration else "",
            "images": self._config.images,
            "versions": json.dumps(read_json(versions)["starts"][-1]) if versions.exists() else "",
        }

    def _look(self) -> None:
        """Subscribe to topics that somebody has begun to publish."""
        for topic, types in self.get_topic_names_and_types():
            if topic in self._taps or not sources.wanted(topic, self._config.topics_exclude):
                continue
            offers = [info.qos_profile for info in self.get_publishers_info_by_topic(topic)]
            if offers:
                self._taps[topic] = self._tap(topic, types[0], offers)

    def _tap(self, topic: str, type_name: str, offers: list[Any]) -> Tap | None:
        jpeg = self._config.images == "jpeg" and pictures.as_jpeg(topic, type_name, self._cameras)
        name, kept = (f"{topic}/compressed", pictures.COMPRESSED) if jpeg else (topic, type_name)
        try:
            source = Source(name, qos_text(sources.offered(offers)), find_definition(kept))
            kind = sources.message_class(type_name)
        except DataError as error:
            self.get_logger().error(f"topic {topic} is not recorded: {error}")
            return None
        profile = sources.subscription_profile(offers)
        subscription = self._listener.create_subscription(kind, topic, _never, profile, raw=True)
        quality = self._config.jpeg_quality if jpeg else 0
        return Tap(subscription, source, quality, type_name in sources.OBSERVATIONS, {})

    def _take(self) -> None:
        self._record_until(self.now_ns())

    def _record_until(self, now_ns: int | None) -> None:
        """Record what has arrived, in the order in which it was sent; without a time, all of it."""
        taps = [tap for tap in self._taps.values() if tap is not None]
        taps.sort(key=lambda tap: tap.source.name == SESSION)
        arrivals = [arrival for tap in taps for arrival in tap.take()]
        arrivals.sort(key=lambda arrival: arrival.tap.source.name != SESSION)
        for arrival in arrivals:  # a reset is taken last and looked at first: others are told from it
            self._arrived.add(self._sent_ns(arrival), arrival.info["received_timestamp"], arrival)
        try:
            for arrival in self._arrived.take(now_ns):
                if self._bags is not None:
                    self._record(self._bags, *arrival)
        except OSError as error:
            self._give_up(error)
        except Exception as error:
            self.fail(error)

    def _sent_ns(self, arrival: Arrival) -> int:
        """When a message was sent; for what an arm says of an episode, and for what was seen before the next
        one's reset, at the latest right before that reset, as it belongs to the bag of its own.
        """
        sent_ns, topic, earlier = int(arrival.info["source_timestamp"]), arrival.tap.source.name, False
        if topic == SESSION:
            state = deserialize_message(arrival.data, SessionState)
            new = state.run_id == self._setup.run_id and state.episode > self._reset.episode
            if new and state.state == RESETTING:
                self._reset = Reset(state.episode, sent_ns, convert.stamp_ns(state))
        elif match := OF_AN_ARM.fullmatch(topic):
            report = deserialize_message(arrival.data, OF_AN_EPISODE[match[1]])
            earlier = report.episode < self._reset.episode
        elif arrival.tap.seen:
            earlier = (
                sources.stamp_ns(arrival.data) <= self._reset.stamp_ns
            )  # the last of it is seen at its label
        return min(sent_ns, self._reset.sent_ns - 1) if earlier else sent_ns

    def _record(self, bags: EpisodeBags, tap: Tap, data: bytes, info: Any) -> None:
        source, number, at_ns = tap.source, info["publication_sequence_number"], info["received_timestamp"]
        if missing := tap.missing(info):
            self._counts["lost"] += missing
            bags.lost[source.name] = bags.lost.get(source.name, 0) + missing
        if source.name == SESSION:
            state = deserialize_message(data, SessionState)
            over = info["source_timestamp"] < self._since_ns  # it is kept for late joiners
            if over or state.run_id != self._setup.run_id:
                return
            bags.session(state.state, state.episode, at_ns)
        if tap.quality and bags.takes(source, at_ns):
            data = pictures.compress(data, tap.quality)
        if source.name in LATCHED:
            bags.latch(source, data, info["source_timestamp"], number)
        bags.write(source, data, at_ns, info["source_timestamp"], number)
        self._waited_ns.append(self.now_ns() - at_ns)
        self._counts["messages"] += 1
        self._counts["bytes"] += len(data)
        if source.name == CORRECTION:
            bags.labels.agree()

    def _flush(self) -> None:
        try:
            if self._bags is not None:
                self._bags.flush(self.now_ns())
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Have the session stop the arms, which makes the episode void, and end. Where there is still room,
        the bag takes in the stop and is finished at the end.
        """
        if self._stopping or self._bags is None:
            return
        message = self._complaint(error)
        self._stopping = isinstance(error, RoomError)
        if not self._stopping:
            self._bags.abandon()
            self._bags = None
        self.get_logger().error(message)
        self.create_timer(STOP_S, lambda: self.fail(DataError(message)))
        if not self._commands.service_is_ready():
            self.fail(DataError(message))
            return
        request = SessionCommand.Request(command="stop", author=f"the recorder ({error.strerror})")
        self.call(self._commands, request, lambda _: self.fail(DataError(message)))

    def _complaint(self, error: OSError) -> str:
        bag = (self._bags.folder if self._bags else "") or str(self._folder.bags)
        what, cure = f"{bag}: {error.strerror}", "Free space"
        if not isinstance(error, RoomError):
            what = f"{bag}: cannot be written: {error.strerror}"
            open_bag = bag != str(self._folder.bags)
            cure = f"Free space, restore it with `zprl bag recover {bag}`" if open_bag else cure
        stopped = "The session is stopped; the bags before it are whole"
        return f"{what}. {stopped}. {cure}, then go on with {self._folder.resumed_by}"


def _never(message: bytes) -> None:
    """The callback of a subscription that is taken from by hand."""


def main() -> None:
    """Run the node."""
    run(RecorderNode)


if __name__ == "__main__":
    main()
