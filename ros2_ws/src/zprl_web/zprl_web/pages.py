"""The files of the page, and the headers that every answer carries."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_NO_FEATURES = ("camera=()", "microphone=()", "geolocation=()")
NOT_IN = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ZPRL {name}</title>
<main><h1>You are not in</h1>
<p>{why}</p>
<p>The {name} opens by a link that works once. <code>zprl</code> prints one when it starts a session; the next
stands in the file <code>{folder}/link</code> of the run's folder, and an operator who is in can invite.</p>
<p><a href="/">Try again</a></p></main></html>
"""


@dataclass(frozen=True)
class File:
    """One file of the page."""

    content: bytes
    media_type: str


def files(package: str) -> dict[str, File]:
    """Path to file, of a package and of this one; "/" is the page itself. Read once: nothing else on the disk
    can be asked for.
    """
    found = {}
    for owner in (__package__, package):
        for entry in (resources.files(owner) / "static").iterdir():
            kind = entry.name.rpartition(".")[2]
            if kind in _TYPES:
                path = "/" if entry.name == "index.html" else f"/{entry.name}"
                found[path] = File(entry.read_bytes(), _TYPES[kind])
    return found


def headers(websocket_origin: str, features: str = "") -> dict[str, str]:
    """What the browser may do with an answer: run our files, talk to us, and nothing else.

    Args:
        websocket_origin: such as ws://127.0.0.1:8770; some browsers do not count it as 'self'.
        features: of the device that the page may use, as `Permissions-Policy` has them.
    """
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": f"'self' {websocket_origin}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Permissions-Policy": ", ".join(filter(None, (features, *_NO_FEATURES))),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
