"""A camera that hangs is reset, where its driver can do that, and waited for until it is listed again."""

from __future__ import annotations

from collections.abc import Callable

from zprl_cameras.driver import CameraDriver, Resettable
from zprl_cameras.reconnect import FAILED_REOPENS, ResetRule
from zprl_core.errors import RigError

LOOK_S = 0.5
LEAVE_S = 8.0  # one that is still listed by then never left the list, as those on MIPI; they need this long
RETURN_S = 20.0  # librealsense's own tests give a camera this long
SETTLE_S = 1.0  # from being listed until it may be opened


class Resets:
    """Resets one camera when `ResetRule` says so, and says what it does.

    Args:
        camera: its name, for the log.
        driver: of the camera; nothing is done unless it is `Resettable`.
        wait: waits so many seconds, less where the process ends: then it returns True.
        say: where a line for a person goes.
        now_s: a clock that is never set, s.
    """

    def __init__(
        self,
        camera: str,
        driver: CameraDriver,
        wait: Callable[[float], bool],
        say: Callable[[str], object],
        now_s: Callable[[], float],
    ) -> None:
        self._camera, self._driver, self._wait, self._now_s = camera, driver, wait, now_s
        self._tell, self._rule = say, ResetRule()

    def frame(self) -> None:
        """One came."""
        self._rule.frame()

    def hangs(self) -> None:
        """The camera sends nothing, or cannot be opened again since, and is closed now.

        Where it is to be reset this waits for it, `RETURN_S` at most, and not beyond the process's end.
        """
        if not isinstance(self._driver, Resettable):
            return
        listed = self._driver.listed()
        if listed is False:
            self._rule.gone()
        if listed and self._rule.hangs(self._now_s()):
            self._reset(self._driver)

    def _reset(self, driver: Resettable) -> None:
        self._say(f"still hangs after {FAILED_REOPENS} attempts to open it again; resetting its hardware")
        try:
            driver.reset()
        except RigError as error:
            self._say(f"was not reset. {error}")
            return
        outcome = self._outcome(driver)
        if outcome:
            self._say(f"{outcome}; trying to open it")
            self._wait(SETTLE_S)

    def _outcome(self, driver: Resettable) -> str:
        """What became of it; empty where the process ends."""
        begun_s, left = self._now_s(), False
        while not self._wait(LOOK_S):
            listed, waited_s = driver.listed(), self._now_s() - begun_s
            if left and listed:
                return f"is listed again {waited_s:.1f} s after its reset"
            left = left or listed is False
            if waited_s >= (RETURN_S if left else LEAVE_S):
                return f"is {'not ' * left}listed {waited_s:.1f} s after its reset"
        return ""

    def _say(self, text: str) -> None:
        self._tell(f"camera {self._camera} {text}")
