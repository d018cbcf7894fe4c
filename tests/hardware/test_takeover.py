"""A person takes the arm over during training, and hands it back."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

import yaml

from tests.hardware import boxes
from tests.hardware.boxes import box
from tests.hardware.by_hand import by_hand
from tests.hardware.test_training_at_a_box import PATIENCE_S, SCENE, words
from tests.ros import training
from tests.ros.harness import OBSERVERS_NEED
from tests.ros.observer import Observer
from zprl_core import record_log
from zprl_core.records import read_records
from zprl_core.run_folder import RunFolder, read_json

CHUNKS = 10
until = partial(boxes.until, patience_s=PATIENCE_S)


def with_longer_episodes(given: list[str]) -> list[str]:
    """The same command, with time in an episode for a person."""
    task = Path(given[given.index("--task") + 1])
    data = yaml.safe_load(task.read_text())
    task.write_text(yaml.safe_dump({**data, "horizon_steps": 16 * CHUNKS}))
    return given


def test_the_policy_goes_on_after_a_person_and_does_not_learn_from_their_chunks(tmp_path: Path) -> None:
    with box(*SCENE) as bench:
        given = with_longer_episodes(words(tmp_path, bench))
        process = training.start("train", *given, "--chunks", str(CHUNKS), "--eval-episodes", "0")
        run = RunFolder(tmp_path / "run")
        until(run.live_file.exists, "the session")
        environment = read_json(run.live_file)["environment"]
        os.environ.update({key: environment[key] for key in OBSERVERS_NEED})
        with Observer(int(environment["ROS_DOMAIN_ID"]), "arm", "report") as eyes:
            until(lambda: eyes.seen["arm"] and eyes.seen["arm"][-1].owner == "policy", "the policy moves")
            eyes.reach_arm()
            session = eyes.seen["session"][-1]
            eyes.send_chunk(by_hand(eyes.seen["arm"][-1], session.run_id, session.episode, rise_m=0.03))
            until(lambda: any(state.owner == "human" for state in eyes.seen["arm"]), "the person has it")
            taken = len(eyes.seen["arm"])
            until(
                lambda: any(s.owner == "policy" for s in eyes.seen["arm"][taken:]), "the policy has it again"
            )
            assert [s.fault for s in eyes.seen["arm"][taken:] if s.fault] == []
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
    (episode,) = read_records(run.episodes_file)
    assert episode.outcome == "horizon" and episode.chunks == CHUNKS
    assert 1 <= episode.helped_chunks <= 4
    log = [entry for _, entry in record_log.read(run.transitions_file) if entry["kind"] == "transition"]
    helped = [entry for entry in log if re.search(r"a person (has|took) the arm", entry["excluded"])]
    assert len(log) == CHUNKS and len(helped) == episode.helped_chunks
