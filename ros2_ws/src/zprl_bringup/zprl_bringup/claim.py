"""What one process of a machine may have at a time: an arm, or the session of a ROS domain.

A claim is a socket's name in Linux's abstract namespace: it is there at once, leaves no file, and goes when
its owner dies.
"""

from __future__ import annotations

import errno
import socket
import struct

from zprl_core.config import ArmConfig
from zprl_core.errors import RigError

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


class Claim:
    """Held until it is closed.

    Args:
        what: is claimed.
        instead: what whoever is refused can do, besides ending the owner.

    Raises:
        RigError: another process has it; names that process.
    """

    def __init__(self, what: str, instead: str = "") -> None:
        name = f"\0zprl {what}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(name)
        except OSError as error:
            self._socket.close()
            if error.errno != errno.EADDRINUSE:
                raise
            raise RigError(
                f"{what}: process {_owner(name)} of this machine has it already, and one session at a time "
                f"may: end that one first{instead and f', or {instead}'}"
            ) from error
        self._socket.listen(1)

    def close(self) -> None:
        """Let others have it. Harmless when it was closed before."""
        self._socket.close()


def claim_arm(arm: ArmConfig) -> Claim:
    """The right to move an arm, whatever ROS domain its owner is on.

    Raises:
        RigError: another process has it.
    """
    return Claim(f"arm {arm.address}")


def claim_domain(domain: int) -> Claim:
    """The right to be the session of a ROS domain.

    Raises:
        RigError: another process has it.
    """
    return Claim(f"the session of ROS domain {domain}", "give this one another ROS_DOMAIN_ID")


def _owner(name: str) -> str:
    """Process id of who listens; "unknown" where it is just coming or going."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(name)
            found = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return "unknown"
    return str(_CREDENTIALS.unpack(found)[0])
