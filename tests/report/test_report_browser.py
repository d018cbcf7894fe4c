# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser without a network: nothing is missing, cut, or beside the page."""

from __future__ import annotations

from pathlib import Path

from tests.panel.chrome import DESK, chromium, needed
from tests.report import made
from zprl_core.cli import main

pytestmark = needed
WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
IMAGES = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
TEXT = "[...document.images].map(image => image.width / image.naturalWidth)"


def test_on_a_screen_and_on_paper(tmp_path: Path) -> None:
    paths = []
    for seed in range(3):
        records = made.numbered(
            made.episodes("base_c", "sffff"),
            made.episodes("train", "fs" * 40),
            made.episodes("final", "sssss"),
        )
        run = made.folder(tmp_path / f"a_run_with_a_rather_long_name_{seed}", records, seed=seed)
        made.chunks(run, [(5, chunk, 0.1) for chunk in range(120)])
        made.motion(run, records, 0.1 + 0.1 * seed)
        paths.append(str(run))
    out = tmp_path / "report"
    assert main(["report", *paths, "--out", str(out)]) == 0
    with chromium() as browser:
        context = browser.new_context(**DESK, offline=True)
        page, complaints, asked = context.new_page(), list[str](), list[str]()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((out / "report.html").as_uri())
        assert page.locator("img").count() == 4 and page.evaluate(IMAGES)
        assert not page.evaluate(WIDER)
        # Figures are made for the page's width: their text of 10.5 pt at 130 dpi is at least 14 px there.
        assert all(10.5 / 72 * 130 * scale > 14.0 for scale in page.evaluate(TEXT))
        page.locator("nav a").nth(5).click()
        assert page.evaluate("location.hash") == "#smoothness-table-ii"
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 720, "height": 1000})  # A4 within its margins
        assert not page.evaluate(WIDER) and page.evaluate(IMAGES)
        assert not page.locator("nav").is_visible()
        assert complaints == []
        assert all(url.startswith(("file:", "data:")) for url in asked)
