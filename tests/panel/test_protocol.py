"""What a page may say: everything else is refused with what is wrong, and nothing crashes."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.records import OUTCOMES
from zprl_panel.protocol import COMMANDS, LABELS, Hello, Invite, ReleaseSeat, TakeSeat, parse
from zprl_web.fields import ProtocolError
from zprl_web.messages import LARGEST_EPISODE, LARGEST_MESSAGE, Command, WantFrame

ID = "0d9f3f0c-1b1a-4b6e-9a53-3f6b6a5f0a11"
COMMAND = {"type": "command", "id": ID, "run": "run", "episode": 3, "name": "success"}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"type": "hello", "page": ID, "had_seat": True}, Hello(ID, True)),
        (COMMAND, Command(ID, "run", 3, "success")),
        ({**COMMAND, "value": "failure"}, Command(ID, "run", 3, "success")),  # only "correct" has a value
        ({**COMMAND, "name": "correct", "value": "void"}, Command(ID, "run", 3, "correct", "void")),
        ({"type": "seat", "action": "take", "over": ""}, TakeSeat("")),
        ({"type": "seat", "action": "release"}, ReleaseSeat()),
        ({"type": "frame", "camera": "wrist"}, WantFrame("wrist")),
        ({"type": "invite", "role": "viewer"}, Invite("viewer")),
    ],
)
def test_messages(said: dict[str, Any], meant: object) -> None:
    assert parse(json.dumps(said)) == meant


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({}, "type: None"),
        ({"type": "label"}, "message type 'label', allowed: hello, command"),
        ({**COMMAND, "id": "1"}, "id: '1', allowed: a random UUID"),
        ({**COMMAND, "id": ID.upper()}, "id: "),
        ({**COMMAND, "episode": True}, "episode: True, allowed: a whole number"),
        ({**COMMAND, "episode": -1}, "episode: -1"),
        ({**COMMAND, "episode": 3.0}, "episode: 3.0"),
        ({**COMMAND, "episode": LARGEST_EPISODE + 1}, "episode: "),
        ({**COMMAND, "name": "continue"}, "name: 'continue', allowed: success, failure, start"),
        ({**COMMAND, "name": "correct"}, "value: None"),
        ({**COMMAND, "name": "correct", "value": "good"}, "value: 'good', allowed: success, failure"),
        ({**COMMAND, "run": "a\nb"}, "run: "),
        ({"type": "hello", "page": ID, "had_seat": 1}, "had_seat: 1, allowed: true, false"),
        ({"type": "seat", "action": "steal"}, "action: 'steal', allowed: take, release"),
        ({"type": "frame", "camera": "x" * 65}, "camera: "),
        ({"type": "invite", "role": "root"}, "role: 'root', allowed: operator, viewer"),
        ({"type": "invite", "role": ["viewer"]}, "role: "),
    ],
)
def test_refusals(said: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        parse(json.dumps(said))
    assert wrong in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "not JSON"),
        ("[" * 900, "not JSON"),
        ("[]", "a message is an object, not list"),
        ('"' + "x" * LARGEST_MESSAGE + '"', "allowed: 2048 bytes"),
        ('{"type": "\\ud800"}', "type: "),
    ],
)
def test_texts_that_are_no_message(text: str, wrong: str) -> None:
    with pytest.raises(ProtocolError, match=wrong):
        parse(text)


NAMES = st.sampled_from([*LABELS, *COMMANDS])


@given(st.uuids(), NAMES, st.integers(0, LARGEST_EPISODE), st.sampled_from(OUTCOMES))
def test_every_command_arrives_as_it_was_meant(id_: uuid.UUID, name: str, episode: int, value: str) -> None:
    said = {"type": "command", "id": str(id_), "run": "r", "episode": episode, "name": name, "value": value}
    assert parse(json.dumps(said)) == Command(
        str(id_), "r", episode, name, value if name == "correct" else ""
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    ["type", "id", "run", "episode", "name", "value", "page", "had_seat", "action", "over", "role"]
)


@given(st.dictionaries(KEYS, VALUES | st.sampled_from(["command", "hello", "seat", "frame", "stop", ID])))
def test_whatever_comes_is_a_message_or_is_refused(said: dict[str, Any]) -> None:
    try:
        meant = parse(json.dumps(said))
    except ProtocolError:
        return
    if isinstance(meant, Command):
        assert meant.name in (*LABELS, *COMMANDS) and 0 <= meant.episode <= LARGEST_EPISODE


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_is_a_message_or_is_refused(text: str) -> None:
    try:
        parse(text)
    except ProtocolError as refused:
        assert str(refused)
