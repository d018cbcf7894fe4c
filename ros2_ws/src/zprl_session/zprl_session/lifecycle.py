"""Brings lifecycle nodes up, one after the other, without ever waiting."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from zprl_bringup.node import Node
from zprl_session.readiness import Readiness

_STEPS = ((Transition.TRANSITION_CONFIGURE, "configure"), (Transition.TRANSITION_ACTIVATE, "activate"))


class LifecycleManager:
    """Configures and activates nodes in the given order; each waits for the one before it.

    Args:
        node: on whose executor this runs.
        names: of the lifecycle nodes.
        on_ready: called once all are active.
        on_failure: called with one line when a node refuses, or is not there in time.
        patience_s: how long to wait for the nodes to appear.
    """

    def __init__(
        self,
        node: Node,
        names: Sequence[str],
        on_ready: Callable[[], None],
        on_failure: Callable[[str], None],
        patience_s: float,
    ) -> None:
        self._node, self._on_ready, self._on_failure = node, on_ready, on_failure
        self.asked = False  # a node for anything
        self._left = [(name, step) for name in names for step in _STEPS]
        self._clients = {
            name: node.create_client(ChangeState, f"/{name.strip('/')}/change_state") for name in names
        }
        there = {f"node {name}": client.service_is_ready for name, client in self._clients.items()}
        self._readiness = Readiness(node, there, self._advance, on_failure, patience_s=patience_s)

    def _advance(self) -> None:
        if not self._left:
            self._on_ready()
            return
        self.asked = True
        name, (transition, word) = self._left.pop(0)
        request = ChangeState.Request(transition=Transition(id=transition))

        def answered(response: ChangeState.Response) -> None:
            if response.success:
                self._advance()
            else:
                self._on_failure(f"{name} refused to {word}; its log says why")

        self._node.call(self._clients[name], request, answered)
