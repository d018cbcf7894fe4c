"""A short form of tests/benchmarks/panel_abuse.py; its check finds a label that was changed behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.panel_abuse import acceptance
from tests.benchmarks.panel_agreement import bags_against, episodes_against
from tests.panel.chrome import needed
from zprl_core.bags.labels import bag_name
from zprl_core.bags.rosbag2 import change_custom_data
from zprl_core.run_folder import RunFolder
from zprl_core.session.ledger import read_ledger

pytestmark = [needed, pytest.mark.slow]


def test_no_label_is_lost_doubled_or_misplaced(tmp_path: Path) -> None:
    wrong, text = acceptance(tmp_path, seed=4, episodes=3, count=10)
    print(text)
    assert wrong == []
    run = RunFolder(tmp_path / "run")
    entries = read_ledger(run.ledger_file)
    change_custom_data(run.bags / bag_name(0), {"outcome": "horizon"})
    assert bags_against(run, entries) == [f"bag 0: says horizon, the record {_outcome(run)}"]
    assert episodes_against(run, entries[1:]) != []


def _outcome(run: RunFolder) -> str:
    return {entry.record.episode: entry.record.outcome for entry in read_ledger(run.ledger_file)}[0]
