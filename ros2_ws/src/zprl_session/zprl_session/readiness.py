"""Waits until everybody whom an episode needs is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zprl_bringup.node import Node

POLL_S = 0.05


class Readiness:
    """Asks until every question is answered with yes, never blocking.

    Args:
        node: on whose executor this runs.
        questions: what is needed, in words, and whether it is there.
        on_ready: called `settle_s` after all are there.
        on_failure: called with one line that names what is missing after `patience_s`.
        patience_s, settle_s: in seconds; publishers and subscribers need a moment to find each other.
    """

    def __init__(
        self,
        node: Node,
        questions: Mapping[str, Callable[[], bool]],
        on_ready: Callable[[], None],
        on_failure: Callable[[str], None],
        *,
        patience_s: float,
        settle_s: float = 0.0,
    ) -> None:
        self._node, self._questions, self._on_ready, self._on_failure = node, questions, on_ready, on_failure
        self._polls_left, self._patience_s = int(patience_s / POLL_S), patience_s
        self._settles_left = int(settle_s / POLL_S)
        self._timer = node.create_timer(POLL_S, self._poll)

    def _poll(self) -> None:
        missing = [what for what, there in self._questions.items() if not there()]
        if not missing and self._settles_left <= 0:
            self._node.destroy_timer(self._timer)
            self._on_ready()
        elif not missing:
            self._settles_left -= 1
        elif self._polls_left <= 0:
            self._node.destroy_timer(self._timer)
            waited = f"missing after {self._patience_s:g} s: {', '.join(missing)}"
            self._on_failure(f"{waited}; seen: {self._seen()}; see the logs")
        self._polls_left -= 1

    def _seen(self) -> str:
        """The other nodes of the graph: without any, this process and they do not find each other."""
        mine = self._node.get_fully_qualified_name()
        names = {f"{space.rstrip('/')}/{name}" for name, space in self._node.get_node_names_and_namespaces()}
        return ", ".join(sorted(names - {mine})) or "no other node at all"
