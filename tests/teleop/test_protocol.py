"""What a teleoperation page may say: everything else is refused with what is wrong, and nothing crashes."""

from __future__ import annotations

import json
import math
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teleop_vr.protocol import Hands, LetGo, Settings, TakeHands, parse
from zprl_web.fields import ProtocolError
from zprl_web.messages import LARGEST_MESSAGE, Command, Hello, WantFrame

ID = "0d9f3f0c-1b1a-4b6e-9a53-3f6b6a5f0a11"
HAND = {"p": [0.1, 1.2, -0.3], "q": [0.0, 0.0, 0.0, 1.0], "grip": 0.5, "trigger": 1, "tracked": True}
HANDS = {"type": "hands", "at": 1234.5, "hands": {"right": HAND}}
SETTINGS = {"type": "settings", "scale": 0.5, "yaw_deg": 90, "locked": ["z", "rotation"], "hand": "left"}
COMMAND = {"type": "command", "id": ID, "run": "run", "episode": 3, "name": "success"}


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"type": "hello", "page": ID, "had_seat": True}, Hello(ID)),
        ({"type": "let_go", "why": "the page is hidden"}, LetGo("the page is hidden")),
        ({"type": "take"}, TakeHands()),
        ({"type": "frame", "camera": "wrist"}, WantFrame("wrist")),
        (COMMAND, Command(ID, "run", 3, "success")),
    ],
)
def test_messages(said: dict[str, Any], meant: object) -> None:
    assert parse(json.dumps(said)) == meant


def test_hands_come_with_a_unit_quaternion_whose_real_part_is_first() -> None:
    turned = {**HAND, "q": [0.0, 0.0, 0.95, 0.0]}
    found = parse(json.dumps({**HANDS, "hands": {"left": turned, "right": HAND}}))
    assert isinstance(found, Hands) and found.at_ms == 1234.5 and set(found.hands) == {"left", "right"}
    np.testing.assert_allclose(found.hands["left"].pose.quaternion, [0.0, 0.0, 0.0, 1.0])
    np.testing.assert_allclose(found.hands["right"].pose.position, [0.1, 1.2, -0.3])
    assert found.hands["right"][1:] == (0.5, 1.0, True)


def test_settings() -> None:
    found = parse(json.dumps(SETTINGS))
    assert isinstance(found, Settings) and found.hand == "left"
    assert (found.clutch.scale, found.clutch.locked) == (0.5, frozenset({"z", "rotation"}))
    assert found.clutch.yaw_rad == pytest.approx(math.pi / 2)


def with_hand(**more: Any) -> dict[str, Any]:
    return {**HANDS, "hands": {"right": {**HAND, **more}}}


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"type": "grip"}, "message type 'grip', allowed: hello, hands"),
        ({**HANDS, "hands": {"third": HAND}}, "hands: "),
        ({**HANDS, "hands": [HAND]}, "hands: "),
        ({**HANDS, "hands": {"right": 3}}, "a hand is an object, not int"),
        ({**HANDS, "at": -1}, "at: -1, allowed: a number from 0"),
        ({**HANDS, "at": 10**400}, "at: 1000"),
        (with_hand(p=[0.0, 1.0]), "p: .*allowed: 3 numbers"),
        (with_hand(p=[0.0, 1.0, float("nan")]), "p: .*allowed: 3 numbers"),
        (with_hand(p=[0.0, 1.0, 1e9]), "p: .*of up to 50"),
        (with_hand(q=[0.0, 0.0, 0.0, 0.0]), "q: norm 0.000, allowed: a unit quaternion"),
        (with_hand(q=[1.0, 1.0, 1.0, 1.0]), "q: norm 2.000"),
        (with_hand(q=[True, 0.0, 0.0, 0.0]), "q: "),
        (with_hand(grip=1.01), "grip: 1.01, allowed: a number from 0 to 1"),
        (with_hand(trigger="1"), "trigger: '1'"),
        (with_hand(tracked=1), "tracked: 1, allowed: true, false"),
        ({**SETTINGS, "scale": 0.0}, "scale: 0.0, allowed: a number from 0.1 to 3"),
        ({**SETTINGS, "locked": ["w"]}, "locked: .*allowed: a list of x, y, z, rotation"),
        ({**SETTINGS, "hand": "both"}, "hand: 'both', allowed: left, right"),
        ({**COMMAND, "name": "correct"}, "name: 'correct', allowed: start"),
        ({**COMMAND, "id": "1"}, "id: '1', allowed: a random UUID"),
        ({"type": "let_go", "why": "x" * 81}, "why: .*up to 80"),
    ],
)
def test_what_no_page_says_is_refused(said: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ProtocolError, match=wrong):
        parse(json.dumps(said))


def test_long_messages_and_no_json_are_refused() -> None:
    with pytest.raises(ProtocolError, match=f"allowed: {LARGEST_MESSAGE} bytes"):
        parse(json.dumps({"type": "let_go", "why": "x" * LARGEST_MESSAGE}))
    with pytest.raises(ProtocolError, match="not JSON"):
        parse("{")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["p", "q", "grip", "trigger", "tracked"])


@given(kind=st.sampled_from(["hands", "settings", "command", "let_go", "frame", "x"]), more=plain, key=keys)
def test_whatever_is_said_is_a_message_or_refused(kind: str, more: Any, key: str) -> None:
    for said in (
        {"type": kind, "hands": more, "at": 1.0, "scale": more, "id": str(uuid.uuid4()), "name": more},
        with_hand(**{key: more}),
    ):
        try:
            found = parse(json.dumps(said))
        except ProtocolError as refused:
            assert str(refused)
        else:
            if isinstance(found, Hands):
                for hand in found.hands.values():
                    assert np.isfinite(hand.pose.position).all() and 0.0 <= hand.grip <= 1.0
                    assert np.linalg.norm(hand.pose.quaternion) == pytest.approx(1.0)
