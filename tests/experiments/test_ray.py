"""Trials as tasks of Ray, of the extra `cluster`: run where Ray is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.experiments.test_experiment_command import SMALL, zprl

pytest.importorskip("ray", reason='ray is not installed: pip install -e ".[cluster]"')
pytest.importorskip("metaworld", reason="metaworld is not installed: make setup")


@pytest.mark.slow
def test_bases_come_first_and_failures_are_told(tmp_path: Path) -> None:
    cells = [
        {"task": "push_wall_state", "method": method, "scale": 0.3, "set": SMALL}
        for method in ("zprl", "embedding_steering")
    ]
    cells.append({"task": "transport_state", "method": "zprl", "set": {"budget.chunks": 40}})
    path = tmp_path / "mine.yaml"
    path.write_text(
        json.dumps({"title": "Small", "source": "nowhere", "seeds": [0], "environments": 2, "cpu": cells})
    )
    words = [str(path), "--root", str(tmp_path / "root")]
    done = zprl("run", *words, "--ray", "local")
    assert "push_wall_state zprl, seed 0: done" in done.stdout, done.stdout + done.stderr
    assert "push_wall_state embedding_steering, seed 0: done" in done.stdout
    assert done.returncode == 2 and "failed: transport_state zprl, seed 0: " in done.stderr
    assert "no scripted expert for TwoArmTransport" in done.stderr
    assert len(list((tmp_path / "root" / "bases").glob("push*/seed0/base.ckpt"))) == 1
