# SPDX-License-Identifier: Apache-2.0
"""Where the pages for people listen: "host:port", and what that means for encryption."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from zprl_core.errors import ConfigError, RigError

DEFAULT = "127.0.0.1:8770"
DEFAULT_TELEOP = "127.0.0.1:8771"
"""This machine only."""
NONE = "none"
_EXAMPLE = f"such as {DEFAULT}, or the address of this machine in the lab's network"


@dataclass(frozen=True)
class PanelAddress:
    """One address of this machine.

    Attributes:
        host: a name or an address, without brackets.
        port: 1 to 65535.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> PanelAddress:
        """From "host:port"; an IPv6 address stands in brackets.

        Raises:
            ConfigError: another form, or an address that means every network of this machine.
        """
        host, separator, port = text.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not separator or not bare or (":" in bare and bare == host) or any(c in bare for c in " /@?#"):
            raise ConfigError(f"page address {text!r}: not of the form HOST:PORT, {_EXAMPLE}")
        if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
            raise ConfigError(f"page address {text!r}: port {port!r}, allowed: 1 to 65535")
        address = cls(bare.lower(), int(port))
        if address._ip is not None and address._ip.is_unspecified:
            raise ConfigError(
                f"page address {text!r}: {bare} means every network of this machine; name the one address "
                "by which people reach it"
            )
        return address

    @property
    def _ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it; a name other than localhost never counts as that."""
        return self.host == "localhost" if self._ip is None else self._ip.is_loopback

    @property
    def tls(self) -> bool:
        """Whether it is encrypted: everywhere but on this machine."""
        return not self.loopback

    @property
    def url(self) -> str:
        """Its origin, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def require_free(self, page: str = "panel", option: str = "--panel") -> None:
        """Whether somebody can listen there now.

        Args:
            page, option: what it is, and what sets its address, for the message.

        Raises:
            RigError: it is taken, or no address of this machine.
        """
        try:
            family, kind, _, _, place = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
        except OSError as error:
            raise RigError(
                f"{page}: cannot listen at {self.url}: {error.strerror}; give {option} another address or "
                "port of this machine, or end what has this one"
            ) from error


def wanted(text: str | None) -> str | None:
    """What a user's word for the panel means: an address, "" for "none", None where nothing was said."""
    return "" if text == NONE else text
