"""A headless Chromium in front of a panel."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
needed = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt-get install chromium)")
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "user_agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 Mobile/15E148",
    "has_touch": True,
}
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 720}}


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; CHROMIUM names another executable than the distribution's."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Desk:
    """A page, and what a person does with it; `script` is run in it before its own."""

    def __init__(self, browser: Browser, link: str, script: str = "", **context: Any) -> None:
        self.context = browser.new_context(**(context or DESK))
        self.context.add_init_script(script)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.goto(link)
        self.until(lambda: self.text("you") != "", "the page shows who is looking")

    def text(self, id: str) -> str:
        """What stands in an element."""
        return str(self.page.evaluate("id => document.getElementById(id).textContent", id))

    def can(self, command: str) -> bool:
        """Whether a command's button can be pressed."""
        return bool(
            self.page.evaluate("c => !document.querySelector(`[data-command=${c}]`).disabled", command)
        )

    def until(self, condition: Callable[[], object], what: str, timeout_s: float = 15.0) -> None:
        """Wait; the page's policy forbids Playwright's own way of it, which evaluates text."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, (
                what,
                self.text("word"),
                self.text("answer"),
                self.complaints,
            )
            time.sleep(0.05)

    def press(self, command: str, clicks: int = 1) -> None:
        """Press a button as soon as it can be pressed."""
        self.until(lambda: self.can(command), f"{command} can be pressed")
        self.page.click(f"[data-command={command}]", click_count=clicks)

    def take_control(self) -> None:
        """The seat is free: take it."""
        self.page.click("#seat-button")
        self.until(lambda: self.text("seat-text") == "You have control", "control is taken")

    def answered(self, words: str) -> None:
        """Wait for an answer."""
        self.until(lambda: words in self.text("answer"), f"the answer {words!r}")
