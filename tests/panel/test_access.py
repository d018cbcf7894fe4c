"""Links, sessions, doors and limits."""

from __future__ import annotations

import pytest

from zprl_web.access import (
    LINK_S,
    MOST_GUESTS,
    MOST_LINKS,
    OPERATOR,
    SESSION_S,
    VIEWER,
    Bucket,
    Doors,
    Guests,
    Limits,
    Links,
    is_phone,
)

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 Mobile/15E148"


def test_a_link_works_once_and_within_an_hour() -> None:
    links = Links()
    first, late = links.mint(VIEWER, 0.0), links.mint(OPERATOR, 0.0)
    assert links.redeem(first, LINK_S - 1.0) == VIEWER
    assert links.redeem(first, LINK_S - 1.0) is None
    assert links.redeem(late, LINK_S) is None
    assert links.redeem("", 0.0) is None


def test_the_oldest_link_goes_when_there_are_too_many() -> None:
    links = Links()
    tokens = [links.mint(VIEWER, 0.0) for _ in range(MOST_LINKS + 1)]
    assert links.redeem(tokens[0], 1.0) is None
    assert links.redeem(tokens[-1], 1.0) == VIEWER


def test_a_session_ends_by_time_and_by_logging_out() -> None:
    guests = Guests()
    one, two = guests.admit(OPERATOR, 0.0), guests.admit(VIEWER, 10.0)
    found = guests.find(one, 1.0)
    assert found is not None and (found.name, found.role) == ("operator-1", OPERATOR)
    assert guests.find(one, SESSION_S) is None
    assert guests.find(two, SESSION_S) is not None
    guests.dismiss(two)
    assert guests.find(two, 11.0) is None
    assert guests.find("", 1.0) is None


def test_what_is_kept_lets_nobody_in_and_brings_everybody_back() -> None:
    guests = Guests()
    cookie = guests.admit(OPERATOR, 0.0)
    kept = guests.dump()
    assert cookie not in repr(kept)
    again = Guests(kept)
    assert again.find(cookie, 1.0) == guests.find(cookie, 1.0)
    assert again.find(next(iter(kept["guests"])), 1.0) is None  # a hash is no cookie
    name = again.find(again.admit(VIEWER, 2.0), 3.0)
    assert name is not None and name.name == "viewer-2"


def test_guests_are_bounded() -> None:
    guests = Guests()
    cookies = [guests.admit(VIEWER, 0.0) for _ in range(MOST_GUESTS + 1)]
    assert guests.find(cookies[0], 1.0) is None
    assert guests.find(cookies[-1], 1.0) is not None


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("127.0.0.1:8770", True),
        ("LOCALHOST:8770", True),
        ("[::1]:8770", True),
        ("127.0.0.1", False),
        ("127.0.0.1:8771", False),
        ("evil.example:8770", False),
        ("", False),
        (None, False),
    ],
)
def test_only_our_names_are_hosts(host: str | None, fits: bool) -> None:
    doors = Doors.of(("127.0.0.1", "localhost", "::1"), 8770, "http")
    assert (doors.host_refused(host) == "") is fits


@pytest.mark.parametrize(
    ("origin", "required", "fits"),
    [
        ("http://localhost:8770", True, True),
        (None, False, True),
        (None, True, False),
        ("https://localhost:8770", True, False),
        ("http://127.0.0.1:8770", True, False),  # another name of ours than the one in Host
        ("http://evil.example", False, False),
        ("null", True, False),
    ],
)
def test_only_our_own_page_is_an_origin(origin: str | None, required: bool, fits: bool) -> None:
    doors = Doors.of(("127.0.0.1", "localhost"), 8770, "http")
    assert (doors.origin_refused(origin, "localhost:8770", required=required) == "") is fits


def test_a_phone_is_known_by_what_its_browser_says() -> None:
    assert is_phone({"User-Agent": IPHONE})
    assert is_phone({"Sec-CH-UA-Mobile": "?1"})
    assert not is_phone(
        {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/150", "Sec-CH-UA-Mobile": "?0"}
    )


def test_a_bucket_allows_a_burst_and_then_its_rate() -> None:
    bucket = Bucket(rate_hz=2.0, burst=3.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(100.5), bucket.take(100.5)] == [True, False]
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_each_source_has_a_bucket_of_its_own() -> None:
    limits = Limits(0.1, 1.0)
    assert limits.take("a", 100.0) and not limits.take("a", 100.0)
    assert limits.take("b", 100.0)
