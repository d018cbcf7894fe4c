"""What the recorder subscribes to, what it makes of a picture, and a session that it joins late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rclpy
from lifecycle_msgs.msg import Transition
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import CompressedImage, Image
from zprl_interfaces.msg import Proprioception, SessionState

from tests.ros.harness import Graph, graph
from tests.ros.observer import Observer
from zprl_bringup import convert, qos
from zprl_core.bags.reading import describe
from zprl_core.errors import DataError
from zprl_recorder import pictures, sources


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("/arms/arm/state", True),
        ("/cameras/left/image", True),
        ("/cameras/left/depth", False),
        ("/rosout", False),
        ("/parameter_events", False),
        ("/arm_bridge/transition_event", False),
        ("/_hidden", False),
        ("/rig/_hidden", False),
    ],
)
def test_which_topics(topic: str, expected: bool) -> None:
    assert sources.wanted(topic, ["/cameras/*/depth"]) is expected


def test_a_subscription_asks_for_no_more_than_every_publisher_offers() -> None:
    kept = qos.stream(lockstep=True)
    lossy = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    both = sources.subscription_profile([kept, kept])
    assert (both.reliability, both.durability) == (
        ReliabilityPolicy.RELIABLE,
        DurabilityPolicy.TRANSIENT_LOCAL,
    )
    mixed = sources.subscription_profile([kept, lossy])
    assert (mixed.reliability, mixed.durability) == (ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)


def test_a_type_that_is_not_installed() -> None:
    with pytest.raises(DataError, match="type 'nowhere_msgs/msg/Thing': cannot be imported"):
        sources.message_class("nowhere_msgs/msg/Thing")


def test_a_picture_becomes_a_jpeg_of_the_same_colours() -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32] = (200, 30, 60)
    data = serialize_message(convert.image_message(picture, 5_000_000_007, "camera_left"))
    message = deserialize_message(pictures.compress(data, 90), CompressedImage)
    assert convert.stamp_ns(message) == 5_000_000_007
    assert message.header.frame_id == "camera_left"
    decoded = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_allclose(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)[10, 10], (200, 30, 60), atol=6)
    assert len(message.data) < picture.nbytes / 5


def test_only_the_rigs_colour_cameras_become_jpeg() -> None:
    cameras = {"/cameras/left/image", "/cameras/right/image"}
    assert pictures.as_jpeg("/cameras/left/image", pictures.IMAGE, cameras)
    assert not pictures.as_jpeg("/cameras/left/depth", pictures.IMAGE, cameras)
    assert not pictures.as_jpeg("/debug/mono", pictures.IMAGE, cameras)


@contextmanager
def session(folder: Path, *, lockstep: bool) -> Iterator[tuple[Graph, Observer, Any]]:
    """A graph without a session, and a node that says what one would."""
    with graph(folder, lockstep=lockstep, blocks=()) as made, Observer(made.domain) as observer:
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=made.domain)
        node = rclpy.create_node("session_node", context=context)
        yield made, observer, node
        node.destroy_node()
        rclpy.shutdown(context=context)


def test_episodes_before_the_recorder_get_no_bag(tmp_path: Path) -> None:
    """The session's last changes are kept for late joiners; they would take the place of real bags."""
    with session(tmp_path, lockstep=False) as (made, observer, node):
        publisher = node.create_publisher(SessionState, "/session/state", qos.changes())
        for state in ("resetting", "ready", "running"):
            publisher.publish(SessionState(run_id=made.run_id, state=state, episode=0))
        made.start("recorder", "zprl_recorder.recorder_node")
        assert observer.change("recorder", Transition.TRANSITION_CONFIGURE)
        made.wait(lambda: publisher.get_subscription_count() == 2, 20.0, "the recorder does not listen")
        time.sleep(0.5)
        publisher.publish(SessionState(run_id="another", state="resetting", episode=7))
        publisher.publish(SessionState(run_id=made.run_id, state="resetting", episode=1))
        publisher.publish(SessionState(run_id=made.run_id, state="done", episode=1))
        made.wait((made.run.bags / "episode_000001" / "metadata.yaml").exists, 20.0, "no bag was written")
        assert [path.name for path in made.run.bags.iterdir()] == ["episode_000001"]
        assert describe(made.run.bags / "episode_000001").contents.messages == 2


@pytest.mark.parametrize("pause_s", [0.0, 0.3])
def test_what_was_seen_before_a_reset_is_in_the_bag_of_its_own_episode(
    tmp_path: Path, pause_s: float
) -> None:
    """In lockstep a camera may draw an episode's last state after the session has gone on to the next one, at
    the very time of the label and of the reset that follows it. The recorder may see both at once.
    """
    with session(tmp_path, lockstep=True) as (made, observer, node):
        states = node.create_publisher(SessionState, "/session/state", qos.changes())
        images = node.create_publisher(Image, "/cameras/third_view/image", qos.stream(lockstep=True))
        vectors = node.create_publisher(Proprioception, "/proprioception", qos.stream(lockstep=True))
        made.start("recorder", "zprl_recorder.recorder_node")
        assert observer.change("recorder", Transition.TRANSITION_CONFIGURE)
        made.wait(lambda: images.get_subscription_count() == 1, 20.0, "the recorder does not listen")
        made.wait(lambda: vectors.get_subscription_count() == 1, 20.0, "the recorder does not listen")

        def say(state: str, episode: int, at_s: int) -> None:
            header = convert.header(at_s * convert.SECOND_NS)
            states.publish(SessionState(header=header, run_id=made.run_id, state=state, episode=episode))

        def see(at_s: int) -> None:
            stamp_ns = at_s * convert.SECOND_NS
            images.publish(convert.image_message(np.zeros((4, 6, 3), np.uint8), stamp_ns, "camera"))
            vectors.publish(Proprioception(header=convert.header(stamp_ns)))

        say("resetting", 0, 10)
        see(12)
        say("labelled", 0, 15)
        say("resetting", 1, 15)
        time.sleep(pause_s)
        see(14)
        see(15)
        see(16)
        say("done", 1, 17)
        made.wait((made.run.bags / "episode_000001" / "metadata.yaml").exists, 20.0, "no bag was written")
        assert [_seen(made.run.bags / f"episode_{number:06d}") for number in (0, 1)] == [
            {"/cameras/third_view/image": [12, 14, 15], "/proprioception": [12, 14, 15]},
            {"/cameras/third_view/image": [16], "/proprioception": [16]},
        ]


def _seen(bag: Path) -> dict[str, list[int]]:
    """The stamps of what was seen in a bag, s."""
    stamps = dict[str, list[int]]()
    with AnyReader([bag]) as reader:
        for connection, _, data in reader.messages():
            if connection.topic != "/session/state":
                message: Any = reader.deserialize(data, connection.msgtype)
                stamps.setdefault(connection.topic, []).append(message.header.stamp.sec)
    return stamps
