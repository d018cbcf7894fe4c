"""Whom the pages' server asks: the session, and where that does not answer a stop, the arms themselves."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from zprl_web.connection import Verdict
from zprl_web.session_desk import LABELS, SessionDesk
from zprl_web.web_node import NoAnswer

SESSION, LABEL = "/session/command", "/session/label"
LEFT, RIGHT = "/arms/left/stop", "/arms/right/stop"


class Services:
    """Stands for the node and whoever answers it: some are silent, some say no, and a session may answer
    only once both arms were asked.
    """

    def __init__(
        self, *, silent: tuple[str, ...] = (), refusing: tuple[str, ...] = (), held_up: bool = False
    ) -> None:
        self._silent, self._refusing, self._held_up = silent, refusing, held_up
        self.asked: dict[str, Any] = {}

    def create_client(self, kind: type, name: str) -> str:
        return name

    async def ask_service(self, client: str, request: Any, patience_s: float) -> Any:
        assert client not in self.asked, "once"
        self.asked[client] = request
        while self._held_up and client == SESSION and not {LEFT, RIGHT} <= self.asked.keys():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        if client in self._silent:
            raise NoAnswer(f"{client} has not answered for {patience_s:g} s")
        yes = client not in self._refusing
        return SimpleNamespace(accepted=yes, success=yes, reason="" if yes else "not now")


def ask(services: Services, name: str) -> Verdict:
    desk = SessionDesk(services, ["left", "right"])
    return asyncio.run(desk.ask(name, "id-7", 3, "operator-1"))


def test_a_stop_is_the_sessions_where_that_answers() -> None:
    services = Services()
    assert ask(services, "stop") == Verdict(True)
    (request,) = services.asked.values()
    assert (request.command, request.command_id, request.episode) == ("stop", "id-7", 3)
    assert request.author == "operator-1" and [*services.asked] == [SESSION]


def test_a_stop_that_the_session_refuses_is_its_answer() -> None:
    services = Services(refusing=(SESSION,))
    assert ask(services, "stop") == Verdict(False, "not now") and [*services.asked] == [SESSION]


def test_where_the_session_is_held_up_the_arms_are_stopped_meanwhile_and_it_has_the_last_word() -> None:
    services = Services(held_up=True)
    assert ask(services, "stop") == Verdict(True)
    assert [*services.asked] == [SESSION, LEFT, RIGHT]


def test_where_the_session_is_silent_every_arm_is_stopped() -> None:
    services = Services(silent=(SESSION,))
    why = "/session/command has not answered for 1 s; the arms were stopped directly"
    assert ask(services, "stop") == Verdict(True, why)
    assert [*services.asked] == [SESSION, LEFT, RIGHT]


@pytest.mark.parametrize(
    "who",
    [
        {"silent": (SESSION, LEFT)},
        {"silent": (SESSION, RIGHT)},
        {"silent": (SESSION, LEFT, RIGHT)},
        {"silent": (SESSION,), "refusing": (RIGHT,)},
    ],
)
def test_where_an_arm_was_not_stopped_either_that_is_said_and_all_are_asked(
    who: dict[str, tuple[str, ...]],
) -> None:
    services = Services(**who)
    with pytest.raises(NoAnswer, match="1 s, nor did every arm: use the hardware stop"):
        ask(services, "stop")
    assert [*services.asked] == [SESSION, LEFT, RIGHT]


@pytest.mark.parametrize("name", ["start", "pause", *LABELS])
def test_what_is_no_stop_waits_longer_and_stops_no_arm(name: str) -> None:
    asked = LABEL if name in LABELS else SESSION
    services = Services(silent=(asked,))
    with pytest.raises(NoAnswer, match=f"{asked} has not answered for 3 s"):
        ask(services, name)
    assert [*services.asked] == [asked]
