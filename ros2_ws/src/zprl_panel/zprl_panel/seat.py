"""The one control seat, and who may send what. Pure; time comes in as an argument, s, of any clock."""

from __future__ import annotations

from zprl_web.access import OPERATOR
from zprl_web.connection import Person, Verdict

LAPSE_S = 10.0
"""A seat whose page is gone for so long is free."""
RESTORE_S = 30.0
"""For so long after its start the server believes a page that says it had the seat."""
MOTION = ("start", "begin", "resume", "clear")
"""Commands after which an arm may move, at once or after the next one."""


_YES = Verdict(True)


class Seat:
    """Who has control. Nothing but `take` gives it, and it goes by `release`, by a take-over, or by absence.

    Args:
        now_s: when the server started.
    """

    def __init__(self, now_s: float) -> None:
        self._started_s = now_s
        self._holder: Person | None = None
        self._gone_s: float | None = None
        self._ever_taken = False

    @property
    def holder(self) -> Person | None:
        """Who has it."""
        return self._holder

    def held_by(self, page: str) -> bool:
        """Whether this page has it."""
        return self._holder is not None and self._holder.page == page

    def take(self, person: Person, over: str = "") -> Verdict:
        """Take it, if it is free; from somebody else only by naming who loses it: the confirmation."""
        if person.role != OPERATOR:
            return Verdict(False, f"a {person.role} cannot take control; ask for an operator's link")
        if self._holder is not None and self._holder.page != person.page and over != self._holder.name:
            return Verdict(False, f"{self._holder.name} has control; take it over, or wait for its release")
        self._holder, self._gone_s, self._ever_taken = person, None, True
        return _YES

    def restore(self, person: Person, now_s: float) -> None:
        """A page says that it had the seat: true if this server was just started and knows nothing better."""
        young = now_s - self._started_s < RESTORE_S
        if young and not self._ever_taken and person.role == OPERATOR:
            self.take(person)

    def release(self, page: str) -> Verdict:
        """Give it back."""
        if not self.held_by(page):
            return Verdict(False, "you do not have control")
        self._holder, self._gone_s = None, None
        return _YES

    def left(self, page: str, now_s: float) -> None:
        """The page's connection is gone."""
        if self.held_by(page):
            self._gone_s = now_s

    def back(self, page: str) -> None:
        """The page's connection is there again."""
        if self.held_by(page):
            self._gone_s = None

    def lapse(self, now_s: float) -> str:
        """Free a seat whose page has been gone too long; the name of who had it, or empty."""
        if self._holder is None or self._gone_s is None or now_s - self._gone_s < LAPSE_S:
            return ""
        name, self._holder, self._gone_s = self._holder.name, None, None
        return name

    def may(self, person: Person, command: str) -> Verdict:
        """Whether this person may send this command. Everyone who is in may stop."""
        if command == "stop":
            return _YES
        if person.role != OPERATOR:
            return Verdict(False, f"a {person.role} can stop, and nothing else")
        if not self.held_by(person.page):
            return Verdict(False, "take control first; without it you can only stop")
        if person.phone and command in MOTION:
            return Verdict(False, f"a phone cannot {command}: this needs a screen at the cell")
        return _YES
