# SPDX-License-Identifier: Apache-2.0
"""What `zprl dataset info` and `view` say about a dataset."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.panel.chrome import chromium, needed
from zprl_core.actions import ActionCodec
from zprl_core.cli import main
from zprl_core.data.episode import Episode, EpisodeInfo, Header
from zprl_core.data.features import Outlier, dimension_names, features, outliers
from zprl_core.data.sheet import HEIGHT, SHARES, chosen
from zprl_core.data.writing import DatasetWriter
from zprl_core.errors import DataError
from zprl_core.provenance import Provenance

CODEC = ActionCodec("rotvec", gripper=True)
HEADER = Header(
    task="stack",
    rate_hz=10,
    lead_steps=1,
    cameras={"top": (32, 48), "wrist": (48, 48)},
    proprio_dim=2,
    action_dim=7,
    action=CODEC,
    provenance=Provenance(rig="cell"),
)


def made(length: int, outcome: str = "success", source: str = "bag", **about: object) -> Episode:
    """The tool goes 1 cm a tick along x, from 0.3 m."""
    action = np.zeros((length, 7), np.float32)
    action[:, 0] = 0.3 + 0.01 * np.arange(length)
    return Episode(
        images={name: np.full((length, *size, 3), 90, np.uint8) for name, size in HEADER.cameras.items()},
        proprio=np.zeros((length, 2), np.float32),
        action=action,
        stamp_ns=np.arange(length, dtype=np.int64) * 100_000_000,
        info=EpisodeInfo(length=length, outcome=outcome, source=source, **about),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nine alike, and one that is three times as long and comes from a bag with a hostile name."""
    with DatasetWriter(tmp_path / "data", HEADER) as writer:
        for n in range(9):
            writer.add(made(20, "failure" if n % 3 == 2 else "success", gaps_s={"/q": 0.02}))
        writer.add(made(60, "horizon", "<script>alert(1)</script>", repairs=("gap: 2 ticks",)))
    return tmp_path / "data"


def test_features_by_hand() -> None:
    found = features(HEADER, made(21, gaps_s={"/q": 0.5}))
    assert found == pytest.approx(
        {
            "duration, s": 2.1,
            "way of the tool, m": 0.2,
            "top speed of the tool, m/s": 0.1,
            "x where it begins, m": 0.3,
            "y where it begins, m": 0.0,
            "z where it begins, m": 0.0,
            "x where it ends, m": 0.5,
            "y where it ends, m": 0.0,
            "z where it ends, m": 0.0,
            "longest gap of /q, s": 0.5,
        },
        abs=1e-5,
    )


def test_outliers_by_hand() -> None:
    """Deviations of 1, 0, 1, 0, 8 from the median of 5: their median is 1, 8 / 1.4826 deviations."""
    values = [4.0, 5.0, 6.0, 5.0, 13.0]
    (found,) = outliers([{"duration, s": value} for value in values])
    assert (found.episode, found.median, found.value) == (4, 5.0, 13.0)
    assert found.score == pytest.approx(8 / 1.4826)


def test_equal_episodes_have_no_outlier_and_the_worst_comes_first() -> None:
    assert outliers([{"duration, s": 5.0 + 0.01 * (n == 3)} for n in range(9)]) == []
    found = outliers([{"duration, s": 5.0 + n * (n >= 7)} for n in range(9)])
    assert [each.episode for each in found] == [8, 7]
    assert found[0].score > found[1].score
    assert isinstance(found[0], Outlier)


@given(st.integers(1, 40), st.lists(st.integers(0, 39), max_size=10), st.integers(1, 30))
def test_those_that_are_shown(episodes: int, first: list[int], most: int) -> None:
    first = [number for number in first if number < episodes]
    found = chosen(episodes, first, most)
    assert found == sorted(set(found)) and set(found) <= set(range(episodes))
    assert len(found) == min(most, episodes)
    assert set(list(dict.fromkeys(first))[:most]) <= set(found)


def test_names_of_numbers() -> None:
    two = ActionCodec("rot6d", arms=2, gripper=True)
    names = dimension_names(two, two.dim)
    assert len(names) == two.dim
    assert names[:4] == ["arm 0 x, m", "arm 0 y, m", "arm 0 z, m", "arm 0 r11"]
    assert names[-1] == "arm 1 width, m"
    assert dimension_names(None, 2) == ["action 0", "action 1"]


def test_info(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dataset", "info", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "episodes   10, 240 ticks at 10 Hz, 24.0 s" in said
    assert "3 failure, 1 horizon, 6 success; success 60 % [31, 83]" in said
    assert "durations  2.00 to 6.00 s, median 2.00 s" in said
    assert re.search(r"action x, m\s+0\.3000\s+0\.30\d\d\s+0\.4\d+\s+0\.8\d+\s+0\.8900", said)
    assert "/q: 0.020 s (episode 0" in said
    assert "episode 9: gap: 2 ticks" in said
    assert re.search(r"unlike the others\n  episode 9: ", said)


def test_info_of_an_older_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.learning.tiny import write_dataset

    write_dataset(tmp_path, [9, 6])
    assert main(["dataset", "info", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "format 2" in said and "outcomes   2 unknown" in said and "calibration cell-1 of rig cell" in said


def test_the_page_stands_alone_and_its_sheet_has_every_episode(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "view" / "data.html"
    assert main(["dataset", "view", str(folder), "--out", str(page)]) == 0
    text = page.read_text()
    assert "<script" not in text and "&lt;script&gt;alert(1)" in text
    assert {match[:5] for match in re.findall(r'src="([^"]*)"', text)} == {"data:"}
    assert not re.search(r"https?://|<link|@import", text)
    assert all(f'id="e{number}"' in text for number in range(10))
    assert len(re.findall("data:image/jpeg", text)) == 10 * len(SHARES)
    assert len(re.findall("data:image/png", text)) == 3
    assert '<a href="#e9">9</a>' in text
    sheet = cv2.imread(str(page.with_suffix(".png")))
    assert sheet is not None
    widths = 48 * HEIGHT // 32 + 48 * HEIGHT // 48
    assert sheet.shape[1] == 2 * (len(SHARES) * (widths + 4) + 8)
    assert sheet.shape[0] >= 5 * HEIGHT


def test_a_page_is_not_replaced_unasked(folder: Path, tmp_path: Path) -> None:
    from zprl_core.data.page import write_page
    from zprl_core.data.reading import open_dataset

    page = tmp_path / "data.html"
    page.with_suffix(".png").write_text("somebody's")
    with pytest.raises(DataError, match=r"data\.png: exists"):
        write_page(open_dataset(folder), page)
    assert page.with_suffix(".png").read_text() == "somebody's" and not page.exists()
    write_page(open_dataset(folder), page, overwrite=True)
    with pytest.raises(DataError, match=r"must end in \.html"):
        write_page(open_dataset(folder), tmp_path / "data.txt")


def test_actions_that_are_no_poses(tmp_path: Path) -> None:
    joints = Header(task="door", rate_hz=10, lead_steps=0, cameras={}, proprio_dim=2, action_dim=7)
    with DatasetWriter(tmp_path / "data", joints) as writer:
        for _ in range(3):
            episode = made(5, "unknown")
            writer.add(Episode({}, episode.proprio, episode.action, episode.stamp_ns, episode.info))
    assert main(["dataset", "view", str(tmp_path / "data"), "--out", str(tmp_path / "p.html")]) == 0
    assert "are no poses" in (tmp_path / "p.html").read_text()
    assert not (tmp_path / "p.png").exists()


def test_ways_are_drawn_into_a_camera_s_picture(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("[100, 0, 20, 0, 0, 100, 20, 0, 0, 0, 1, 1]")
    words = ["dataset", "view", str(folder), "--out", str(tmp_path / "data.html"), "--projection"]
    assert main([*words, f"top={tmp_path / 'p.yaml'}"]) == 0
    text = (tmp_path / "data.html").read_text()
    assert "As top sees it" in text and len(re.findall("data:image/png", text)) == 4
    assert main([*words, f"left={tmp_path / 'p.yaml'}", "--overwrite"]) == 2


@needed
def test_a_browser_shows_every_picture(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "data.html"
    assert main(["dataset", "view", str(folder), "--out", str(page)]) == 0
    with chromium() as browser:
        shown = browser.new_page(viewport={"width": 1120, "height": 900})
        shown.goto(page.as_uri())
        widths = shown.evaluate("() => [...document.images].map(i => i.complete ? i.naturalWidth : 0)")
        assert len(widths) == 10 * len(SHARES) + 3 and min(widths) > 0
        across = shown.evaluate("() => document.documentElement.scrollWidth")
        assert across <= 1120
