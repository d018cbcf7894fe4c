"""The vendor's SDK, kept in check: found or explained, silent, and given up on in time.

The SDK prints to stdout wherever it likes, waits minutes for a box that accepts a connection but does not
answer, and sets the time-out of every socket of the process. None of that leaves this module.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import socket
import sys
import threading
from functools import cache
from typing import Any

from zprl_core.errors import RigError, UnreachableError

PATIENCE_S = 4.0
HARDWARE_STOPS = (1, 2, 3)
"""Controller errors of a pressed stop: the box's button, its emergency input, the three-state switch."""
_LOG = logging.getLogger(__name__)
_RESULTS = {
    -1: "not connected",
    -2: "not ready",
    -8: "a joint angle beyond its limit",
    1: "the controller reports an error",
    2: "the controller reports a warning",
    3: "no answer in time",
    4: "an answer of the wrong length",
    5: "an answer to something else",
    6: "an answer of another protocol",
    7: "an answer to another function",
    8: "the connection broke",
    9: "the arm is not ready to move",
    10: "the controller calls it invalid",
    22: "the tool connector's baud rate cannot be set",
    100: "not done in time",
    101: "its state could not be read",
    102: "the gripper reports a fault",
    103: "the gripper is not enabled",
}


def result_text(code: int) -> str:
    """What a return code of the SDK means."""
    return f"{_RESULTS.get(code, 'failed')} (SDK code {code})"


def error_text(code: int) -> str:
    """A controller's error with the vendor's words for it, from the SDK's table."""
    entry = _sdk("xarm.core.config.x_code").ControllerError(code)
    title, advice = entry.title["en"].rstrip(". "), entry.description["en"].rstrip(". ")
    return f"C{code} {title}" + (f". {advice}" if advice else "")


def sdk_version() -> str:
    """Version of the SDK."""
    version: str = _sdk("xarm.version").__version__
    return version


def open_api(address: str, **options: Any) -> Any:
    """A connected `XArmAPI` in radians that says nothing on stdout.

    Args:
        address: of the controller box.
        options: of `XArmAPI`.

    Raises:
        RigError: no SDK; `UnreachableError`: nobody there who answers. Names the address and what to do.
    """
    before = socket.getdefaulttimeout()
    try:
        api = _sdk("xarm.wrapper").XArmAPI(
            address,
            is_radian=True,
            do_not_open=True,
            forbid_uds=True,
            check_joint_limit=False,
            check_cmdnum_limit=False,
            check_is_pause=False,
            **options,
        )
        _connect(api, address)
    finally:
        socket.setdefaulttimeout(before)
    return api


def _connect(api: Any, address: str) -> None:
    problems: list[Exception] = []

    def connect() -> None:
        try:
            api.connect()
        except Exception as error:
            problems.append(error)

    thread = threading.Thread(target=connect, name=f"connect {address}", daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    if thread.is_alive():
        threading.Thread(target=api.disconnect, daemon=True).start()
        problem = f"it accepts connections but has not answered for {PATIENCE_S:g} s: restart the box"
    elif problems:
        problem = f"{problems[0]}: is it switched on, on this network, and is the address right?"
    else:
        return
    raise UnreachableError(f"xArm at {address}: no connection: {problem} (try: ping {address})")


@cache
def _sdk(module: str) -> Any:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise RigError(
            f"driver xarm needs the vendor's SDK ({error}): pip install -e '.[real]' or xarm-python-sdk"
        ) from error
    _silence()
    return found


def _silence() -> None:
    """Everything that the SDK prints or logs goes to this module's logger instead."""
    for name, module in list(sys.modules.items()):
        if name.startswith("xarm.") and module is not None:
            vars(module)["print"] = _note
    log = sys.modules.get("xarm.core.utils.log")
    if log is not None:
        for logger in (log.logger, log.origin_logger):
            logger.handlers[:] = [_Forward()]
            logger.propagate = False


def _note(*words: object, **_: object) -> None:
    _LOG.debug(" ".join(map(str, words)))


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """As a detail: the driver itself says what matters."""
        _LOG.debug(record.getMessage())
