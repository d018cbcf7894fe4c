"""What a page says once its server is gone: of a session that was done, and of one that was not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.panel.chrome import chromium, needed
from tests.teleop.headset import Headset
from tests.teleop.test_server import STATE, House


@needed
@pytest.mark.parametrize(
    ("state", "word"), [("done", "The session has ended"), ("running", "The server is silent")]
)
def test_only_a_session_that_was_done_may_end_without_an_alarm(tmp_path: Path, state: str, word: str) -> None:
    house = House(tmp_path)
    with chromium() as browser:
        try:
            desk = Headset(browser, house.link)
            before = desk.text("word")
            last = SimpleNamespace(**{**vars(STATE), "state": state})
            house.loop.call_soon_threadsafe(house.server.on_session, last)
            desk.until(lambda: desk.text("word") != before or state == STATE.state, "the state")
        finally:
            house.stop()
        desk.until(lambda: desk.text("word") == word, "what it says at the end")
