"""Who gets in: one-time links, sessions behind a cookie, where requests may come from, and how many. Pure.

Time comes in as an argument, in seconds. Secrets are 256 random bits; only their hashes are kept, so that
what is on the disk lets nobody in.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

OPERATOR, VIEWER = "operator", "viewer"
ROLES = (OPERATOR, VIEWER)
LINK_S = 3600.0
SESSION_S = 12 * 3600.0
MOST_LINKS, MOST_GUESTS = 16, 64
_REMEMBERED_SOURCES = 1024


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Guest:
    """Somebody who is in.

    Attributes:
        name: such as "operator-1"; what the records name as a label's author.
        role: operator or viewer.
        until_s: when the session ends, Unix time.
    """

    name: str
    role: str
    until_s: float


class Links:
    """One-time links: each lets one browser in, within an hour."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def mint(self, role: str, now_s: float) -> str:
        """A new token; the oldest one goes when there are too many."""
        token = secrets.token_urlsafe(32)
        self._open[_hash(token)] = (role, now_s + LINK_S)
        if len(self._open) > MOST_LINKS:
            self._open.popitem(last=False)
        return token

    def redeem(self, token: str, now_s: float) -> str | None:
        """The role that a token gives, once; None where it is unknown, used or too old."""
        role, until_s = self._open.pop(_hash(token), ("", 0.0))
        return role if role and now_s < until_s else None


class Guests:
    """Sessions, by the hash of the random id in their cookie.

    Args:
        known: what `dump` gave, of a server that was restarted; of anything else nobody is in.
    """

    def __init__(self, known: Mapping[str, Any] | None = None) -> None:
        self._guests, self._count = _known(known or {})

    def dump(self) -> dict[str, Any]:
        """Everything as plain data, without a secret in it."""
        return {"count": self._count, "guests": {key: asdict(guest) for key, guest in self._guests.items()}}

    def admit(self, role: str, now_s: float) -> str:
        """Open a session; returns the cookie's value."""
        self._guests = {key: guest for key, guest in self._guests.items() if now_s < guest.until_s}
        while len(self._guests) >= MOST_GUESTS:
            self._guests.pop(next(iter(self._guests)))
        self._count += 1
        cookie = secrets.token_urlsafe(32)
        self._guests[_hash(cookie)] = Guest(f"{role}-{self._count}", role, now_s + SESSION_S)
        return cookie

    def find(self, cookie: str, now_s: float) -> Guest | None:
        """Whose cookie this is; None where it is unknown, logged out or too old."""
        guest = self._guests.get(_hash(cookie))
        return guest if guest is not None and now_s < guest.until_s else None

    def dismiss(self, cookie: str) -> None:
        """End a session: its cookie lets nobody in any more."""
        self._guests.pop(_hash(cookie), None)


def _known(dumped: Mapping[str, Any]) -> tuple[dict[str, Guest], int]:
    try:
        guests = {key: Guest(**value) for key, value in dumped.get("guests", {}).items()}
        count = int(dumped.get("count", 0))
    except (TypeError, ValueError, AttributeError):
        return {}, 0
    whole = all(
        isinstance(guest.name, str) and guest.role in ROLES and isinstance(guest.until_s, float)
        for guest in guests.values()
    )
    return (guests, count) if whole else ({}, 0)


@dataclass(frozen=True)
class Doors:
    """The names by which a server may be reached. Any other `Host` is another site's name for this machine.

    Attributes:
        hosts: values of the header `Host`, in lower case, with the port.
        scheme: http or https.
    """

    hosts: frozenset[str]
    scheme: str

    @classmethod
    def of(cls, names: Iterable[str], port: int, scheme: str) -> Doors:
        """For names and addresses without brackets."""
        written = (f"[{name}]" if ":" in name else name for name in names)
        return cls(frozenset(f"{name.lower()}:{port}" for name in written), scheme)

    def host_refused(self, host: str | None) -> str:
        """Why a `Host` is refused; empty where it is one of ours."""
        if host is not None and host.lower() in self.hosts:
            return ""
        return f"Host {host!r} is not this server, allowed: {', '.join(sorted(self.hosts))}"

    def origin_refused(self, origin: str | None, host: str, *, required: bool) -> str:
        """Why an `Origin` is refused; empty where it is the page's own, or absent and not required."""
        if origin is None:
            return "Origin is missing" if required else ""
        own = f"{self.scheme}://{host.lower()}"
        return "" if origin.lower() == own else f"Origin {origin!r} is another site, allowed: {own}"


def is_phone(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that it is a phone's."""
    return headers.get("Sec-CH-UA-Mobile") == "?1" or "Mobi" in headers.get("User-Agent", "")


class Bucket:
    """At most `burst` at once, and `rate_hz` in the long run."""

    def __init__(self, rate_hz: float, burst: float) -> None:
        self._rate_hz, self._burst = rate_hz, burst
        self._left, self._at_s = burst, 0.0

    def take(self, now_s: float) -> bool:
        """Whether one more is allowed now; one that is not does not count."""
        self._left = min(self._burst, self._left + max(0.0, now_s - self._at_s) * self._rate_hz)
        self._at_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Limits:
    """A bucket for each source, such as an address; the longest silent one is forgotten first."""

    def __init__(self, rate_hz: float, burst: float) -> None:
        self._rate_hz, self._burst = rate_hz, burst
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, source: str, now_s: float) -> bool:
        """Whether this source may do one more thing now."""
        bucket = self._buckets.setdefault(source, Bucket(self._rate_hz, self._burst))
        self._buckets.move_to_end(source)
        if len(self._buckets) > _REMEMBERED_SOURCES:
            self._buckets.popitem(last=False)
        return bucket.take(now_s)
