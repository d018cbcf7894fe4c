"""Operators at the panel whose pages keep what they showed, and what the records must say after that."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error

from tests.panel.chrome import Desk

WATCH = Path(__file__).with_name("panel_watch.js").read_text()
LABEL_KEYS = {"success": "s", "failure": "f"}
_ACCEPTED = re.compile(r"(\w+) \(episode (\d+)\): accepted|Episode (\d+) to (\w+): accepted")
Entry = dict[str, Any]


class Operator(Desk):
    """A person with a browser of their own; every press, command, answer and shown text is kept."""

    def __init__(self, browser: Browser, link: str, **context: Any) -> None:
        super().__init__(browser, link, WATCH, **context)
        self.context.set_default_timeout(10_000)

    @property
    def word(self) -> str:
        """The state that the page shows, without the outcome."""
        return self.text("word").split(":")[0]

    @property
    def episode(self) -> int:
        """The episode that the page shows, -1 for none."""
        shown = self.text("episode").split(" ")[0]
        return int(shown) if shown.isdigit() else -1

    @property
    def has_seat(self) -> bool:
        """Whether the page shows that it has control."""
        return self.text("seat-text") == "You have control"

    @property
    def idle(self) -> bool:
        """The line is there, and nothing waits for an answer."""
        waiting = "() => JSON.parse(sessionStorage.getItem('commands') ?? '[]').length"
        lost = "() => document.body.classList.contains('lost')"
        return not (self.page.evaluate(lost) or self.page.evaluate(waiting))

    def watched(self) -> list[Entry]:
        """What was kept since the last call."""
        kept: list[Entry] = self.page.evaluate("() => window.watched()")
        return kept

    def take_seat(self) -> None:
        """Take control, from whoever has it."""
        if self.has_seat:
            return
        self.page.click("#seat-button")
        if self.page.evaluate("() => document.getElementById('ask').open"):
            self.page.click("dialog button:has-text('Take over')")
        self.until(lambda: self.has_seat, "control is taken")

    def at(self, wall_ms: float, javascript: str) -> None:
        """Have the page do something at an instant of the clock that all pages share; returns at once."""
        self.page.evaluate(f"at => {{ setTimeout(() => {{ {javascript} }}, at - Date.now()); }}", wall_ms)

    def say(self, **message: Any) -> None:
        """Send a message on the page's own line, past the page's code."""
        self.page.evaluate("message => window.say(message)", message)

    def reload(self) -> None:
        """Reload, and again where the server is not there yet."""
        deadline = time.monotonic() + 30.0
        while True:
            try:
                self.page.reload()
                self.until(lambda: self.text("you") != "", "the page is back")
                return
            except (Error, AssertionError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)


@dataclass
class Expectation:
    """The outcome that each episode must have: the last answer that a page showed as accepted.

    A label ends an open episode, a stop makes one void that has no label. Where both were accepted at the
    same instant the label came first, else it would have been refused.

    Attributes:
        outcomes: by episode; empty where a label was taken back.
        accepted: id of each command that was answered as accepted, with what it said.
    """

    outcomes: dict[int, str] = field(default_factory=dict)
    accepted: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Expectation:
        """From what the pages kept.

        Args:
            entries: of all pages.
        """
        made = cls()
        for entry in sorted(entries, key=lambda entry: float(entry["at"])):
            if entry["kind"] == "shown" and (match := _ACCEPTED.match(entry["text"])):
                made._show(match)
            elif entry["kind"] == "answer" and entry["accepted"]:
                made.accepted.setdefault(entry["id"], entry)
        return made

    def _show(self, match: re.Match[str]) -> None:
        name, episode, corrected, value = match.groups()
        if corrected:
            self.outcomes[int(corrected)] = value
        elif name in LABEL_KEYS:
            self.outcomes[int(episode)] = name
        elif name == "abort":
            self.outcomes[int(episode)] = "void"
        elif name == "undo":
            self.outcomes[int(episode)] = ""
        elif name == "stop":
            self.outcomes[int(episode)] = self.outcomes.get(int(episode)) or "void"


def reasons(entries: Iterable[Entry]) -> dict[str, int]:
    """How often which refusal was answered or shown, numbers and ids left out."""
    counts: dict[str, int] = {}
    for text in _refusals(entries):
        plain = re.sub(r"\d{8}-\d{6}-[0-9a-f]{8}", "RUN", text)
        plain = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", plain)
        plain = re.sub(r"episode: '\d+'", "episode: a text", plain)
        plain = re.sub(r"operator-\d+", "operator-N", re.sub(r"episode \d+", "episode N", plain))
        counts[plain] = counts.get(plain, 0) + 1
    return counts


def _refusals(entries: Iterable[Entry]) -> Iterable[str]:
    answered = set()
    for entry in entries:
        if entry["kind"] == "answer" and entry["accepted"] is False and entry["id"] not in answered:
            answered.add(entry["id"])
            yield str(entry["reason"])
        elif entry["kind"] == "notice":
            yield str(entry["text"])[:70]
        elif entry["kind"] == "shown" and (text := _kept_back(entry)):
            yield f"by the page: {text}"


def _kept_back(entry: Mapping[str, Any]) -> str:
    match = re.match(
        r"\w+: (take control first|you can watch|not possible now|the server is silent)", entry["text"]
    )
    return match[1] if match else ""
