# SPDX-License-Identifier: Apache-2.0
"""What the bars of a run show."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from zprl_core.cli.progress import RunBars
from zprl_core.plan import Block
from zprl_core.records import EpisodeRecord

Made = Callable[..., EpisodeRecord]
Screen = pytest.CaptureFixture[str]
BLOCKS = [Block("base_c", "base_c", episodes=2), Block("final", "steer", episodes=2)]


def last_bar(screen: Screen) -> str:
    """What was drawn last of the first block."""
    return [line for line in screen.readouterr().err.replace("\n", "\r").split("\r") if "base_c: " in line][
        -1
    ]


def test_a_full_bar_has_the_rate_of_its_last_episode(record: Made, capsys: Screen) -> None:
    records = [record(0, "base_c", "success"), record(1, "base_c", "failure")]
    bars = RunBars(BLOCKS, [])
    bars.update(records[:1])
    bars.update(records)
    bars.close()
    drawn = [line for line in capsys.readouterr().err.split("\r") if "2/2" in line][-1]
    assert "100%" in drawn and "success 0.50" in drawn


def test_an_undone_label_is_gone_at_once(record: Made, capsys: Screen) -> None:
    bars = RunBars(BLOCKS, [record(0, "base_c", "success")])
    assert "success 1.00" in last_bar(capsys)
    bars.update([record(0, "base_c", "void")])
    drawn = last_bar(capsys)
    assert "0/2" in drawn and "success" not in drawn
    bars.close()


def test_a_corrected_label_is_shown_at_once(record: Made, capsys: Screen) -> None:
    bars = RunBars(BLOCKS, [])
    bars.update([record(0, "base_c", "success")])
    bars.update([record(0, "base_c", "failure")])
    assert "success 0.00" in last_bar(capsys)
    bars.close()


def test_a_block_that_is_taken_up_again_was_not_full(record: Made, capsys: Screen) -> None:
    """The label that ended the first block is undone."""
    done = [record(0, "base_c", "success"), record(1, "base_c", "success")]
    bars = RunBars(BLOCKS, done)
    capsys.readouterr()
    bars.update([done[0], record(1, "base_c", "void")])
    drawn = capsys.readouterr().err
    assert "final:   0%" in drawn and "final: 100%" not in drawn
    assert "1/2" in drawn
    bars.close()
