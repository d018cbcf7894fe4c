# SPDX-License-Identifier: Apache-2.0
"""From bags to a dataset: by hand for good ones, and a reason for everything that can be wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.bags.conftest import outcome
from tests.datasets.bags import BEGIN_NS, IMAGE, RATE_HZ, SECOND, STATE, VECTOR, Event, Made, picture, task
from zprl_bringup import convert
from zprl_bringup.recorded import read_recording
from zprl_cameras.picture import Fit
from zprl_core.actions import ActionCodec
from zprl_core.bags.recovery import recover
from zprl_core.bags.rosbag2 import change_custom_data
from zprl_core.cli import main
from zprl_core.config import TaskConfig
from zprl_core.data.building import BuildOptions, Built, build
from zprl_core.data.dataset import load_dataset
from zprl_core.data.problems import check_repairs
from zprl_core.data.reading import StoredDataset, open_dataset
from zprl_core.errors import ConfigError, DataError
from zprl_core.records import append_record
from zprl_core.run_folder import RunFolder


def made(out: Path, *bags: Path, of: TaskConfig | None = None, **options: Any) -> tuple[Built, StoredDataset]:
    of = of or task()
    built = build(
        bags,
        of,
        out,
        lambda bag: read_recording(bag, of),
        _fit,
        BuildOptions(**{**options, "repairs": check_repairs(options.get("repairs", ()))}),
    )
    return built, open_dataset(out)


def refused(tmp_path: Path, bag: Made, message: str, **options: Any) -> None:
    """Nothing is built, by this reason; with --skip-bad a good bag is."""
    path = bag.write(tmp_path / "bad")
    with pytest.raises(DataError, match=f"1 of 1 bags.*\n.*bad: {message}"):
        made(tmp_path / "data", path, **options)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["bad"]
    good = Made().write(tmp_path / "good")
    built, dataset = made(tmp_path / "data", path, good, skip_bad=True, **options)
    assert [bad for bad, _ in built.bad] == [path]
    assert [info.source for info in dataset.infos] == [str(good)]


def test_an_episode_by_hand(tmp_path: Path) -> None:
    """It ran from 1 s to 3 s; the first tick lies 0.2 s and one tick later, the last one ends with it."""
    _, dataset = made(tmp_path / "data", Made().write(tmp_path / "bag"))
    (episode,) = dataset
    first = 30 + 1 + 6
    assert len(episode) == 90 - first
    ticks = [BEGIN_NS + n * SECOND // RATE_HZ for n in range(first, 90)]
    assert episode.stamp_ns.tolist() == ticks
    shown = [picture(n) for n in range(first, 90)]  # no delay: the picture of the tick itself
    np.testing.assert_array_equal(episode.images["third_view"], shown)
    np.testing.assert_array_equal(episode.proprio[:, 0], [2 * n for n in range(first, 90)])
    (arm,) = ActionCodec.from_config(task().action).decode(episode.action)
    ends = np.arange(first + 1, 91) * 2  # in states, of which there are two a tick
    np.testing.assert_allclose(arm.position[:, 0], 0.001 * ends, atol=1e-6)
    np.testing.assert_allclose(arm.gripper_width, 0.0001 * ends, atol=1e-7)
    assert episode.info.outcome == "success"
    assert episode.info.gaps_s[IMAGE] == pytest.approx(1 / 30, abs=1e-6)
    assert load_dataset(tmp_path / "data", task()).episodes == 1


def test_a_delay_moves_pictures_and_not_actions(tmp_path: Path) -> None:
    """A picture that is certain to have come only 50 ms later is not the newest one but the one before."""
    rig = Made().rig
    late = {**rig, "cameras": [{**rig["cameras"][0], "delay_s": 0.05}]}
    _, now = made(tmp_path / "now", Made().write(tmp_path / "a"))
    _, then = made(tmp_path / "then", Made(rig=late).write(tmp_path / "b"))
    np.testing.assert_array_equal(
        then.episode(0).images["third_view"][2:], now.episode(0).images["third_view"][:-2]
    )
    np.testing.assert_array_equal(then.episode(0).action, now.episode(0).action)


def test_a_setpoint_of_a_real_arm_is_for_the_end_of_its_period(tmp_path: Path) -> None:
    """Its state has the stamp of the period's beginning."""
    recording = read_recording(Made().write(tmp_path / "bag"), task())
    from zprl_core.data.recording import running_episodes
    from zprl_core.data.resampling import resample

    (episode,) = running_episodes(recording.events, recording.end_ns)
    simulated = resample(recording, episode, task(), hold=False)
    arm = replace(recording.rig.arms[0], driver="xarm", address="127.0.0.1", servo_rate_hz=60)
    real = resample(replace(recording, rig=replace(recording.rig, arms=(arm,))), episode, task(), hold=False)
    np.testing.assert_allclose(simulated.action[:, 0] - real.action[:, 0], 0.001, atol=1e-6)


def test_the_label_of_the_metadata_counts_and_outcomes_are_chosen(tmp_path: Path) -> None:
    bags = [
        Made(label={"episode": "0", "outcome": outcome}).write(tmp_path / outcome)
        for outcome in ("success", "failure", "horizon", "void")
    ]
    built, dataset = made(tmp_path / "all", *bags)
    assert [info.outcome for info in dataset.infos] == ["success", "failure", "horizon"]
    assert built.left_out == {"void": 1}
    built, dataset = made(tmp_path / "good", *bags, outcomes=("success",))
    assert len(dataset) == 1 and built.left_out == {"void": 1, "failure": 1, "horizon": 1}
    with pytest.raises(DataError, match=r"no episode is left.*1 void"):
        made(tmp_path / "none", bags[3])
    with pytest.raises(ConfigError, match="--outcomes void: allowed: success, failure, horizon"):
        made(tmp_path / "none", bags[3], outcomes=("void",))
    assert not (tmp_path / "none").exists()


def test_all_bad_bags_are_named_at_once(tmp_path: Path) -> None:
    bags = [
        Made(change=lambda topic, _, m: None if topic == IMAGE else m).write(tmp_path / "blind"),
        Made().write(tmp_path / "good"),
        Made(label={"episode": "0", "outcome": ""}).write(tmp_path / "unlabelled"),
    ]
    with pytest.raises(DataError, match=r"2 of 3 bags(.|\n)*blind: stream(.|\n)*unlabelled: label"):
        made(tmp_path / "data", *bags)
    assert not (tmp_path / "data").exists()


def dropped(topic: str, from_s: float, to_s: float) -> Any:
    def change(of: str, stamp: int, message: Any) -> Any:
        inside = BEGIN_NS + from_s * SECOND <= stamp < BEGIN_NS + to_s * SECOND
        return None if of == topic and inside else message

    return change


def stepped(seconds: float) -> Any:
    """From 2 s on, stamps are this much later."""

    def change(topic: str, stamp: int, message: Any) -> Any:
        if topic == IMAGE and stamp >= BEGIN_NS + 2 * SECOND:
            message.header = convert.header(stamp + round(seconds * SECOND))
        return message

    return change


def not_finite(topic: str, stamp: int, message: Any) -> Any:
    if topic == VECTOR and stamp == BEGIN_NS + 2 * SECOND:
        message.q = convert.doubles(np.full(7, np.nan))
    return message


PAUSED = (
    Event(0.0, "resetting"),
    Event(1.0, "running"),
    Event(1.5, "paused"),
    Event(2.0, "running"),
    Event(3.0, "labelled", outcome="success"),
)
SEVERAL = (
    Event(0.0, "resetting"),
    Event(0.5, "running"),
    Event(1.5, "labelled", outcome="failure"),
    Event(1.6, "resetting", 1),
    Event(2.0, "running", 1),
    Event(3.0, "labelled", 1, "success"),
)
BAD = {
    "no camera": (
        Made(change=lambda topic, _, m: None if topic == IMAGE else m),
        r"stream: has no /cameras/third_view/image; it has /arms/arm/state",
    ),
    "silent": (Made(change=dropped(IMAGE, 0, 4)), r"stream: has no /cameras/third_view/image"),
    "gap": (Made(change=dropped(IMAGE, 1.5, 2.0)), r"gap: third_view: the newest sample is 0\.\d+ s old"),
    "gap of setpoints": (
        Made(change=dropped(STATE, 1.5, 2.0)),
        r"gap: /arms/arm/state: 0\.5\d\d s between setpoints .* allowed 0\.200",
    ),
    "clock ahead": (
        Made(change=stepped(3600)),
        r"clock: /cameras/third_view/image: a stamp leaps ahead of its arrival by 3600",
    ),
    "clock back": (Made(change=stepped(-1)), r"clock: /cameras/third_view/image: stamps go back by 0\.967 s"),
    "several": (Made(events=SEVERAL), r"several: holds 2 episodes \(0, 1\), allowed 1"),
    "paused": (Made(events=PAUSED), r"paused: was paused for 0\.5 s"),
    "unlabelled": (Made(label={"episode": "0", "outcome": ""}), r"label: episode 0 has no outcome"),
    "no session": (
        Made(change=lambda topic, _, m: None if topic == "/session/state" else m),
        r"stream: has no message of /session/state",
    ),
    "type": (
        Made(type_hash={STATE: "RIHS01_" + 64 * "0"}),
        r"version: /arms/arm/state: zprl_interfaces/msg/ArmState has hash RIHS01_0000",
    ),
    "numbers": (Made(change=not_finite), r"numbers: /proprioception: 1 of \d+ samples are not finite"),
    "size": (Made(size=(40, 48)), r"size: .* pictures of 40x48 \(height x width\), task .* needs 20x24"),
    "lockstep": (Made(run={"lockstep": "true"}), r"lockstep: .*--realtime"),
    "lead": (
        Made(run={"lead_steps": "5"}),
        r"lead: was recorded with L = 5, task \w+ has observation\.lead_steps: 2",
    ),
    "shadow": (
        Made(label={"episode": "0", "outcome": "success", "shadow_chunks": "3"}),
        r"shadow: 3 chunks moved nothing",
    ),
    "short": (
        Made(events=(Event(1.0, "running"), Event(1.1, "labelled", outcome="success"))),
        r"short: episode 0 was running for 0\.100 s, not one tick",
    ),
    "other task": (Made(rig={**Made().rig, "proprioception": ["arm/joint_position_rad"]}), r"rig: .*proprio"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_bag_is_said(tmp_path: Path, name: str) -> None:
    refused(tmp_path, *BAD[name])


@pytest.mark.parametrize("name", ["several", "paused", "gap", "gap of setpoints", "numbers", "size", "lead"])
def test_what_can_be_repaired_is_repaired(tmp_path: Path, name: str) -> None:
    bag, message = BAD[name]
    kind = re.match(r"\w+", message)[0]
    built, dataset = made(tmp_path / "data", bag.write(tmp_path / "bag"), repairs=[kind])
    assert not built.bad
    if kind == "several":
        assert len(dataset) == 2
    elif kind != "lead":
        assert any(each.startswith(kind) for each in dataset.infos[0].repairs)


def test_over_a_gap_the_last_picture_is_held(tmp_path: Path) -> None:
    bag = Made(change=dropped(IMAGE, 1.5, 2.0)).write(tmp_path / "bag")
    _, dataset = made(tmp_path / "data", bag, repairs=["gap"])
    (episode,) = dataset
    inside = (episode.stamp_ns >= BEGIN_NS + 1.5 * SECOND) & (episode.stamp_ns < BEGIN_NS + 2 * SECOND)
    assert inside.sum() == 15
    assert np.unique(episode.images["third_view"][inside][..., 0]).tolist() == [44]
    assert episode.info.repairs == ("gap: 9 of 53 ticks hold an older sample",)
    assert episode.info.gaps_s[IMAGE] == pytest.approx(16 / 30, abs=1e-6)


def test_a_gap_that_is_too_long_is_not_repaired(tmp_path: Path) -> None:
    refused(
        tmp_path, Made(change=dropped(IMAGE, 1.4, 2.6)), "gap: third_view: .*allowed 1.000", repairs=["gap"]
    )


def test_a_pause_leaves_no_tick(tmp_path: Path) -> None:
    _, dataset = made(tmp_path / "data", Made(events=PAUSED).write(tmp_path / "bag"), repairs=["paused"])
    (episode,) = dataset
    since = (episode.stamp_ns - BEGIN_NS) / SECOND
    assert not ((since >= 1.5) & (since < 2.0)).any()
    assert len(episode) == (45 - 37) + (90 - 61)


def test_several_episodes_have_their_own_outcomes(tmp_path: Path) -> None:
    bag = Made(events=SEVERAL, label={}).write(tmp_path / "bag")
    _, dataset = made(tmp_path / "data", bag, repairs=["several"])
    assert [info.outcome for info in dataset.infos] == ["failure", "success"]
    assert [info.facts["episode"] for info in dataset.infos] == [0, 1]


def test_pictures_of_another_size_are_made_as_a_camera_node_makes_them(tmp_path: Path) -> None:
    bag = Made(size=(40, 60)).write(tmp_path / "bag")
    _, dataset = made(tmp_path / "data", bag, repairs=["size"])
    wanted = Fit((40, 60), (20, 24))(picture(37, (40, 60)))
    np.testing.assert_array_equal(dataset.episode(0).images["third_view"][0], wanted)


def test_pictures_are_never_made_larger(tmp_path: Path) -> None:
    refused(tmp_path, Made(size=(10, 12)), "size: .*they are not made larger", repairs=["size"])


def test_jpeg_is_read(tmp_path: Path) -> None:
    _, dataset = made(tmp_path / "data", Made(jpeg=True).write(tmp_path / "bag"))
    shown = dataset.episode(0).images["third_view"].astype(int)
    assert np.abs(shown[5] - picture(42)).max() <= 4


def test_another_cell_or_calibration_is_refused(tmp_path: Path) -> None:
    rig = Made().rig
    late = {**rig, "cameras": [{**rig["cameras"][0], "delay_s": 0.05}]}
    bags = [Made().write(tmp_path / "a"), Made(rig=late).write(tmp_path / "b")]
    with pytest.raises(DataError, match=r"b: rig: .*camera third_view 50\.0 ms, there 0\.0 ms"):
        made(tmp_path / "data", *bags)
    _, dataset = made(tmp_path / "data", *bags, skip_bad=True)
    assert [info.source for info in dataset.infos] == [str(tmp_path / "a")]


def cut_off(folder: Path) -> Path:
    """The end of the file is missing, and its metadata.yaml."""
    path = Made(label=None).write(folder)
    file = next(path.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:-3000])
    return path


def test_a_bag_that_was_cut_off(tmp_path: Path) -> None:
    path = cut_off(tmp_path / "bag")
    with pytest.raises(DataError, match=r"truncated: was cut off, .*`zprl bag recover"):
        made(tmp_path / "data", path)
    _, there = made(tmp_path / "there", path, repairs=["truncated"])
    assert there.infos[0].repairs[0].startswith("truncated: was cut off")
    recover(path)
    _, recovered = made(tmp_path / "recovered", path)
    np.testing.assert_array_equal(recovered.episode(0).action, there.episode(0).action)


def test_a_label_that_was_corrected_while_nothing_recorded_counts(tmp_path: Path) -> None:
    """The run knows it; its bags do not."""
    run = RunFolder(tmp_path / "run")
    bag = Made(label={"episode": "0", "outcome": "success"}).write(run.bags / "episode_000000")
    elsewhere = Made(label={"episode": "0", "outcome": "success"}).write(tmp_path / "episode_000000")
    for label in ("success", "failure"):
        append_record(run.episodes_file, outcome(0, label, "anna"))
    _, dataset = made(tmp_path / "data", bag, elsewhere)
    assert [info.outcome for info in dataset.infos] == ["failure", "success"]


def test_a_recording_that_ends_in_its_episode_is_no_success_whatever_its_label(tmp_path: Path) -> None:
    """A power cut right after the label: the run knows it, and the bag's end never reached the disk."""
    begun = (Event(0.0, "resetting"), Event(1.0, "running"))
    path = Made(length_s=2.0, events=begun, label=None).write(tmp_path / "bag")
    recover(path)
    change_custom_data(path, {"episode": "0", "outcome": "success"})
    with pytest.raises(DataError, match="ends while episode 0 runs; how it went on was not"):
        made(tmp_path / "data", path)
    _, there = made(tmp_path / "there", path, repairs=["truncated"])
    assert there.infos[0].repairs == ("truncated: ends while episode 0 runs",)


def test_what_is_no_bag(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a bag")
    with pytest.raises(DataError, match=r"notes\.txt: unreadable: .*is not an MCAP file"):
        made(tmp_path / "data", tmp_path / "notes.txt")
    with pytest.raises(DataError, match=r"absent: unreadable: .*does not exist"):
        made(tmp_path / "data", tmp_path / "absent")


@pytest.mark.parametrize(
    ("kind", "message"), [("clock", "cannot be repaired"), ("gaps", "allowed: truncated")]
)
def test_a_repair_that_does_not_exist(kind: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_repairs([kind])


def zprl(*words: object) -> int:
    return main(["dataset", "build", *map(str, words)])


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The task's file."""
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(task().to_dict()))
    return path


def test_the_command(tmp_path: Path, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder of bags is taken for its bags, and superseded ones are none of them."""
    for n, label in enumerate(("success", "failure", "void")):
        Made(label={"episode": "0", "outcome": label}).write(tmp_path / "bags" / f"episode_{n:06d}")
    Made().write(tmp_path / "bags" / "superseded" / "episode_000000")
    named = [tmp_path / "bags", *sorted((tmp_path / "bags").iterdir())]
    assert zprl(*named, "--task", small, "--out", tmp_path / "data") == 0
    said = capsys.readouterr().out
    assert "episodes: 2 (1 failure, 1 success)\nleft out by their outcome: 1 void" in said
    assert "the rig was not calibrated" in said
    assert [Path(info.source).name for info in open_dataset(tmp_path / "data").infos] == [
        "episode_000000",
        "episode_000001",
    ]


def test_the_command_with_a_bad_bag(tmp_path: Path, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bags = [Made().write(tmp_path / "good"), BAD["gap"][0].write(tmp_path / "gap")]
    words = [*bags, "--task", small, "--out", tmp_path / "data"]
    assert zprl(*words) == 2
    said = capsys.readouterr().err
    assert "1 of 2 bags cannot be used as they are, and nothing was written" in said
    assert re.search(r"gap: gap: third_view: .*\[--repair gap: ", said)
    assert not (tmp_path / "data").exists()
    assert zprl(*words, "--skip-bad") == 0
    assert "bad bags left out: 1" in capsys.readouterr().out
    assert zprl(*words, "--repair", "gap") == 2
    assert "there is data already" in capsys.readouterr().err
    assert zprl(*words, "--repair", "gap", "--overwrite") == 0
    assert len(open_dataset(tmp_path / "data")) == 2


def test_a_build_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    bags = [Made().write(tmp_path / name) for name in ("a", "b")]

    def interrupt(bag: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(bags, task(), tmp_path / "data", lambda bag: read_recording(bag, task()), _fit, BuildOptions(),
              interrupt)  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def _fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return Fit(image.shape[:2], size)(image)
