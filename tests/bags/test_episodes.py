"""Which bag a message goes into, what a bag says, and that `rosbags` and `mcap` read all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Reader

from tests.bags.conftest import FACTS, HASH, outcome, reading
from zprl_core.bags.episodes import EpisodeBags, Source
from zprl_core.bags.labels import agree_with_run
from zprl_core.bags.reading import describe
from zprl_core.config import load_rig
from zprl_core.records import append_record
from zprl_core.run_folder import RunFolder

SECOND_NS = 1_000_000_000
Sources = Callable[[str], Source]


def custom(run: RunFolder, episode: int) -> dict[str, str]:
    text = (run.bags / f"episode_{episode:06d}" / "metadata.yaml").read_text()
    found: dict[str, str] = yaml.safe_load(text)["rosbag2_bagfile_information"]["custom_data"]
    return found


def play(bags: EpisodeBags, source: Source, episode: int, start_s: int, values: int = 3) -> None:
    """An episode from its reset to its label, with a message each tenth of a second."""
    start_ns = start_s * SECOND_NS
    bags.session("resetting", episode, start_ns)
    for number in range(values):
        bags.session(("ready", "running", "running")[min(number, 2)], episode, start_ns)
        stamp_ns = start_ns + number * SECOND_NS // 10
        bags.write(source, reading(10 * episode + number), stamp_ns, stamp_ns - 5, number)
    bags.session("labelled", episode, start_ns + SECOND_NS)


def test_rosbags_reads_topics_types_qos_hashes_and_messages(
    run: RunFolder, bags: EpisodeBags, source: Sources
) -> None:
    play(bags, source("/arms/arm/state"), 0, 1000)
    bags.finish()
    with Reader(run.bags / "episode_000000") as bag:
        topics: list[Any] = bag.connections
        (topic,) = topics
        assert (topic.topic, topic.msgtype, topic.msgcount) == ("/arms/arm/state", "things/msg/Reading", 3)
        assert topic.digest == HASH
        first, second = topic.ext.offered_qos_profiles
        assert (first.durability.name, first.reliability.name) == ("TRANSIENT_LOCAL", "RELIABLE")
        assert (second.durability.name, second.reliability.name) == ("VOLATILE", "BEST_EFFORT")
        assert (first.lifespan.sec, first.lifespan.nsec) == (9223372036, 854775807)
        assert (bag.start_time, bag.duration) == (1000 * SECOND_NS, 2 * SECOND_NS // 10 + 1)
        assert bag.ros_distro == "kilted"
        times = [(stamp, data) for _, stamp, data in bag.messages()]
    assert times == [(1000 * SECOND_NS + n * SECOND_NS // 10, reading(n)) for n in range(3)]
    with AnyReader([run.bags / "episode_000000"]) as any_bag:  # by the definitions in the bag
        found: list[Any] = [any_bag.deserialize(data, c.msgtype) for c, _, data in any_bag.messages()]
    values = [message.values[0] for message in found]
    assert values == [0.0, 1.0, 2.0]


def test_mcap_reads_the_configs_and_the_record_of_the_run(
    run: RunFolder, bags: EpisodeBags, source: Sources
) -> None:
    play(bags, source("/arms/arm/state"), 0, 1000)
    bags.finish()
    with (run.bags / "episode_000000/episode_000000_0.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        attached = {a.name: a.data for a in reader.iter_attachments()}
        noted = {m.name: m.metadata for m in reader.iter_metadata()}
        (_, channel, message), *_ = reader.iter_messages()
    assert attached == {"task.yaml": run.task_file.read_bytes(), "rig.yaml": run.rig_file.read_bytes()}
    (run.path / "again.yaml").write_bytes(attached["rig.yaml"])
    assert load_rig(run.path / "again.yaml") == load_rig("sim_xarm6")
    assert noted["zprl_run"] == FACTS
    assert noted["rosbag2"] == {"ROS_DISTRO": "kilted"}
    assert message.publish_time == message.log_time - 5
    assert channel.metadata["topic_type_hash"] == HASH


def test_metadata_is_of_version_8_whose_qos_is_a_text(
    run: RunFolder, bags: EpisodeBags, source: Sources
) -> None:
    """What Humble's parser asks of the file: these keys, and a text where it converts to one."""
    play(bags, source("/arms/arm/state"), 0, 1000)
    bags.finish()
    text = (run.bags / "episode_000000/metadata.yaml").read_text()
    found = yaml.safe_load(text)["rosbag2_bagfile_information"]
    assert found["version"] == 8
    topic = found["topics_with_message_count"][0]["topic_metadata"]
    assert isinstance(topic["offered_qos_profiles"], str)
    assert yaml.safe_load(topic["offered_qos_profiles"])[0]["history"] == 3
    assert set(found["files"][0]) == {"path", "starting_time", "duration", "message_count"}
    assert found["relative_file_paths"] == ["episode_000000_0.mcap"]
    assert all(isinstance(value, str) for value in found["custom_data"].values())


def test_a_bag_holds_its_episode_and_nothing_between_two(
    run: RunFolder, bags: EpisodeBags, source: Sources
) -> None:
    arm, session = source("/arms/arm/state"), source("/session/state")
    bags.write(arm, reading(-1), 999 * SECOND_NS, 0, 0)
    play(bags, arm, 0, 1000)
    end_ns = 1001 * SECOND_NS
    bags.write(arm, reading(50), end_ns + SECOND_NS, 0, 1)  # the report of the last chunk
    bags.write(arm, reading(51), end_ns + SECOND_NS + 1, 0, 2)  # nobody's
    bags.write(session, reading(52), end_ns + 9 * SECOND_NS, 0, 3)
    bags.session("judging", 0, end_ns + 10 * SECOND_NS)  # the label was undone
    bags.write(arm, reading(53), end_ns + 11 * SECOND_NS, 0, 4)
    bags.session("labelled", 0, end_ns + 12 * SECOND_NS)
    play(bags, arm, 1, 2000)
    bags.session("done", 1, end_ns := 2001 * SECOND_NS)
    bags.flush(end_ns + SECOND_NS)
    bags.write(arm, reading(13), end_ns + SECOND_NS, 0, 5)  # the report of the last chunk
    bags.flush(end_ns + SECOND_NS + 1)
    bags.write(arm, reading(99), end_ns, 0, 6)  # a finished bag takes nothing in
    with Reader(run.bags / "episode_000000") as bag:
        assert [data for _, _, data in bag.messages()] == [reading(n) for n in (0, 1, 2, 50, 52, 53)]
    with Reader(run.bags / "episode_000001") as bag:
        assert [data for _, _, data in bag.messages()] == [reading(n) for n in (10, 11, 12, 13)]


def test_a_bag_begins_with_what_was_published_once_before(
    run: RunFolder, bags: EpisodeBags, source: Sources
) -> None:
    bags.latch(source("/learner/actor"), reading(1), 900, 7)
    bags.latch(source("/learner/actor"), reading(2), 950, 8)
    for episode in range(2):
        play(bags, source("/arms/arm/state"), episode, 1000 * (episode + 1))
    bags.finish()
    for episode in range(2):
        with Reader(run.bags / f"episode_{episode:06d}") as bag:
            found = [(stamp, data) for c, stamp, data in bag.messages() if c.topic == "/learner/actor"]
        assert found == [(1000 * (episode + 1) * SECOND_NS, reading(2))]


def test_a_label_that_is_undone_in_time_never_reaches_the_bag(
    run: RunFolder, bags: EpisodeBags, source: Sources
) -> None:
    play(bags, source("/arms/arm/state"), 0, 1000)
    append_record(run.episodes_file, outcome(0, "success", "anna"))
    append_record(run.episodes_file, outcome(0, "failure", "bert"))
    play(bags, source("/arms/arm/state"), 1, 2000)
    said = custom(run, 0)
    assert (said["outcome"], said["label_author"], said["layout"]) == (
        "failure",
        "bert",
        "orange: [0.1, 0.2]",
    )
    assert said["calibration"] == FACTS["calibration"]
    assert describe(run.bags / "episode_000000").metadata["zprl_episode"]["outcome"] == "failure"


def test_a_later_correction_reaches_a_finished_bag(
    run: RunFolder, bags: EpisodeBags, source: Sources
) -> None:
    for episode in range(3):
        play(bags, source("/arms/arm/state"), episode, 1000 * (episode + 1))
        append_record(run.episodes_file, outcome(episode, "success"))
    bags.finish()
    file = run.bags / "episode_000001/episode_000001_0.mcap"
    before = file.read_bytes()
    append_record(run.episodes_file, outcome(1, "failure", "anna"))
    assert bags.labels.agree() == [1]
    assert bags.labels.agree() == []
    assert [custom(run, n)["outcome"] for n in range(3)] == ["success", "failure", "success"]
    assert file.read_bytes() == before
    with Reader(run.bags / "episode_000001") as bag:
        assert bag.message_count == 3
    append_record(run.episodes_file, outcome(2, "void", "anna"))  # nobody recorded at the time
    EpisodeBags(run, FACTS, "kilted")
    assert custom(run, 2)["outcome"] == "void"
    append_record(run.episodes_file, outcome(0, "horizon", "anna"))
    agree_with_run(run.bags / "episode_000000")
    assert custom(run, 0)["outcome"] == "horizon"


def test_an_episode_that_is_repeated_keeps_the_bag_of_the_first_try(
    run: RunFolder, bags: EpisodeBags, source: Sources
) -> None:
    for values in (1, 2, 3):
        play(bags, source("/arms/arm/state"), 0, 1000, values)
        bags.session("idle", 0, 1002 * SECOND_NS)
    bags.finish()
    places = ("episode_000000", "superseded/episode_000000-1", "superseded/episode_000000-0")
    assert [describe(run.bags / place).contents.messages for place in places] == [3, 2, 1]


def test_an_episode_without_an_outcome_says_so(run: RunFolder, bags: EpisodeBags, source: Sources) -> None:
    play(bags, source("/arms/arm/state"), 0, 1000)
    bags.lost["/arms/arm/state"] = 2
    bags.finish()
    assert (custom(run, 0)["outcome"], custom(run, 0)["lost"]) == ("", "/arms/arm/state 2")


def test_a_bag_without_messages_can_be_read(run: RunFolder, bags: EpisodeBags) -> None:
    bags.session("resetting", 0, SECOND_NS)
    bags.finish()
    with Reader(Path(run.bags / "episode_000000")) as bag:
        assert bag.message_count == 0
