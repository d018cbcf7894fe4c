# SPDX-License-Identifier: Apache-2.0
"""The distribution of the latents: in every new base checkpoint, and added to an older one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from tests.learning.tiny import tiny_task, write_dataset
from zprl_core import cli
from zprl_core.base import load_base


def test_it_comes_with_pretraining_and_can_be_added_to_an_older_checkpoint(tmp_path: Path) -> None:
    file, data, new = tmp_path / "tiny.yaml", tmp_path / "data", tmp_path / "new.ckpt"
    file.write_text(yaml.safe_dump(tiny_task().to_dict()))
    write_dataset(data, [14, 11, 12])
    words = ["pretrain", "--task", str(file), "--data", str(data), "--out"]
    assert cli.main([*words, str(new)]) == 0
    fitted = load_base(new)[0].latents
    assert fitted is not None
    content = torch.load(new, weights_only=True)
    del content["state"]["latents"]
    torch.save(content, tmp_path / "old.ckpt")
    assert load_base(tmp_path / "old.ckpt")[0].latents is None
    again = tmp_path / "again.ckpt"
    assert cli.main([*words, str(again), "--latents", str(tmp_path / "old.ckpt")]) == 0
    (before, task, info), (after, same_task, same_info) = load_base(new), load_base(again)
    assert after.latents is not None and (task, info) == (same_task, same_info)
    # The same latents but for their last bits: convolutions are laid out differently while training.
    np.testing.assert_allclose(after.latents.precision, fitted.precision, atol=1e-5)
    assert after.latents.far == pytest.approx(fitted.far, rel=1e-5)
    weights = after.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in before.state_dict().items())
