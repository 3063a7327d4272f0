"""kopf's watches fill the cache and name what to look at again. Edge in, level out.

Only `on.event` handlers: they write no annotations and put no finalizers on users' objects.
"""

from collections.abc import Callable
from typing import Any, Final

import kopf

from loghub_operator import cache, kinds

Changed = Callable[[kinds.Kind, cache.Object], None]
"""Told of each object that came, changed or went."""

_SERVER_SECONDS: Final = 300
_CLIENT_SECONDS: Final = 310
_CONNECT_SECONDS: Final = 15


def settings() -> kopf.OperatorSettings:
    """Kopf's settings: explicit time-outs, because a watch without one can go silent for ever."""
    found = kopf.OperatorSettings()
    found.watching.server_timeout = _SERVER_SECONDS
    found.watching.client_timeout = _CLIENT_SECONDS
    found.watching.connect_timeout = _CONNECT_SECONDS
    found.watching.reconnect_backoff = 1.0
    found.networking.request_timeout = 30
    found.posting.enabled = False
    found.peering.standalone = True
    found.scanning.disabled = True
    return found


def registry(known: cache.Cache, changed: Changed) -> kopf.OperatorRegistry:
    """Handlers for every watched kind."""
    found = kopf.OperatorRegistry()
    kopf.on.login(registry=found)(_login)
    for kind in kinds.WATCHED:
        group, _, version = kind.api_version.rpartition("/")
        kopf.on.event(group, version, kind.plural, registry=found, id=kind.plural)(
            _handler(kind, known, changed)
        )
    return found


def _login(**arguments: Any) -> Any:
    return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)


def _handler(kind: kinds.Kind, known: cache.Cache, changed: Changed) -> Callable[..., Any]:
    async def seen(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's name
        # A copy of plain dictionaries: kopf's body is a view.
        found = {**body, "metadata": dict(body["metadata"])}
        if type == "DELETED":
            known.drop(kind, found)
        else:
            known.put(kind, found)
        changed(kind, found)

    return seen
