"""One process of a machine at a time moves an arm, whatever ROS domain it is on.

The claim is a socket's name in Linux's abstract namespace: it leaves no file, and goes when its owner dies.
"""

from __future__ import annotations

import errno
import socket
import struct

from zprl_core.config import ArmConfig
from zprl_core.errors import RigError

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


class ArmClaim:
    """Held until it is closed.

    Args:
        arm: which one; its address is what counts.

    Raises:
        RigError: another process has it; names that process.
    """

    def __init__(self, arm: ArmConfig) -> None:
        name = f"\0zprl-arm {arm.address}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(name)
        except OSError as error:
            self._socket.close()
            if error.errno != errno.EADDRINUSE:
                raise
            raise RigError(
                f"arm '{arm.name}' at {arm.address}: process {_owner(name)} of this machine moves it already."
                " End that session first: one session at a time has an arm"
            ) from error
        self._socket.listen(1)

    def close(self) -> None:
        """Let others have it. Harmless when it was closed before."""
        self._socket.close()


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
