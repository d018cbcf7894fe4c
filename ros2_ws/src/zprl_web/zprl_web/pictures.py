"""Which picture goes to which page: one at a time each, encoded once, and only if somebody waits. Pure."""

from __future__ import annotations


class Credits:
    """A page gives one credit per picture that it has room for; without one it gets none.

    Args:
        cameras: their names; a credit for another one is ignored.
    """

    def __init__(self, cameras: tuple[str, ...]) -> None:
        self._waiting: dict[str, dict[str, int]] = {name: {} for name in cameras}
        self._sent: dict[str, dict[str, int]] = {name: {} for name in cameras}

    def give(self, page: str, camera: str) -> None:
        """The page has room for one picture of this camera; a second credit before it is worth nothing."""
        if camera in self._waiting:
            self._waiting[camera][page] = self._sent[camera].get(page, 0)

    def due(self, camera: str, number: int) -> list[str]:
        """The pages that wait for a camera's picture `number`, which they have not had; takes the credit."""
        pages = [page for page, had in self._waiting[camera].items() if had < number]
        for page in pages:
            del self._waiting[camera][page]
            self._sent[camera][page] = number
        return pages

    def forget(self, page: str) -> None:
        """The page is gone."""
        for camera in self._waiting:
            self._waiting[camera].pop(page, None)
            self._sent[camera].pop(page, None)
