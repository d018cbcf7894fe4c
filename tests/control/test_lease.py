"""The session's sign of life goes on while a disk is waited for, and not for ever."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("rclpy")
from zprl_core.records import EpisodeRecord
from zprl_core.session.ledger import Entry
from zprl_session.lease import Lease, LeasedLedger


class SlowLedger:
    def __init__(self, takes_s: float) -> None:
        self.takes_s, self.entries = takes_s, list[Entry]()

    def append(self, entry: Entry) -> None:
        time.sleep(self.takes_s)
        self.entries.append(entry)


def entry() -> Entry:
    record = EpisodeRecord(
        episode=0,
        block="train",
        mode="explore",
        layout_seed=0,
        outcome="success",
        steps=16,
        chunks=1,
        start_stamp_ns=0,
        end_stamp_ns=1,
        label_author="somebody",
    )
    return Entry(event="label", command_id="", author="somebody", before="", stamp_ns=1, record=record)


def appended(takes_s: float, most_s: float, times: int = 1) -> list[threading.Thread]:
    """Who said it meanwhile, every 10 ms."""
    said = list[threading.Thread]()
    ledger = SlowLedger(takes_s)
    leased = LeasedLedger(ledger, Lease(lambda: said.append(threading.current_thread()), 0.01, most_s))
    for _ in range(times):
        leased.append(entry())
    assert len(ledger.entries) == times
    heard = len(said)
    time.sleep(0.1)
    assert len(said) <= heard + 1, "the session says it itself again"
    return said


def test_while_the_disk_takes_its_time_it_is_said_by_another_thread() -> None:
    said = appended(0.5, 10.0)
    assert len(said) > 10 and threading.current_thread() not in said


def test_a_disk_that_hangs_lets_the_arms_hold() -> None:
    short, long, often = appended(0.3, 10.0), appended(0.9, 0.3), appended(0.2, 0.3, 5)
    assert len(long) < 2 * len(short) and len(often) < 2 * len(short)
