# SPDX-License-Identifier: Apache-2.0
"""When a session without a person gives up an episode, and the run."""

from __future__ import annotations

from zprl_core.session.unattended import FaultsInARow, Stall

S = 1_000_000_000


def test_an_episode_stalls_when_no_chunk_ends_for_longer_than_that() -> None:
    stall = Stall(20.0)
    stall.progress(100 * S)
    assert stall.problem(120 * S) == ""
    assert stall.problem(120 * S + 1) == "no chunk was executed for 20 s; is the policy alive?"
    stall.progress(121 * S)
    assert stall.problem(141 * S) == ""


def test_the_run_is_given_up_after_so_many_faults_without_an_episode_that_counts() -> None:
    faults = FaultsInARow(2)
    assert faults.on_fault("a cable") == ""
    faults.on_record(void=True)
    assert faults.on_fault("a box") == "2 episodes in a row were void, the last one because: a box"
    faults.on_record(void=False)
    assert faults.on_fault("a cable") == ""
    assert FaultsInARow(1).on_fault("a cable").startswith("1 episodes in a row were void")
