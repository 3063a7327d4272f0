"""kopf's watches fill the cache and name what to look at again. Edge in, level out.

Only `on.event` handlers: they write no annotations and put no finalizers on users' objects.
"""

import functools
from collections.abc import Callable
from typing import Any, Final

import kopf

from loghub_operator import cache, cluster, kinds, reporting

Changed = Callable[[kinds.Kind, cache.Object, cache.Object | None], None]
"""Told of each object that came, changed or went, and how it was before."""

_SERVER_SECONDS: Final = 300
_CLIENT_SECONDS: Final = 310
_CONNECT_SECONDS: Final = 15
_PAGE: Final = 500
"""Objects of one page of a list: all at once would be the most memory there ever is."""


def settings() -> kopf.OperatorSettings:
    """Kopf's settings: explicit time-outs, because a watch without one can go silent for ever."""
    found = kopf.OperatorSettings()
    found.watching.server_timeout = _SERVER_SECONDS
    found.watching.client_timeout = _CLIENT_SECONDS
    found.watching.connect_timeout = _CONNECT_SECONDS
    found.watching.reconnect_backoff = 1.0
    found.watching.chunk_size = _PAGE
    found.networking.request_timeout = 30
    found.posting.enabled = False
    found.peering.standalone = True
    found.scanning.disabled = True
    return found


def registry(
    known: cache.Cache,
    reports: reporting.Reports,
    changed: Changed,
    access: cluster.Access | None,
) -> kopf.OperatorRegistry:
    """Handlers for every watched kind; `access` is None in a pod, whose token changes."""
    found = kopf.OperatorRegistry()
    kopf.on.login(registry=found)(functools.partial(_login, access))
    for kind in kinds.WATCHED:
        group, _, version = kind.api_version.rpartition("/")
        kopf.on.event(group, version, kind.plural, registry=found, id=kind.plural)(
            _handler(kind, known, reports, changed)
        )
    return found


def _login(access: cluster.Access | None, **arguments: Any) -> Any:
    if access is None:
        return kopf.login_with_service_account(**arguments)
    # kopf would look for a kubeconfig of its own choice: it gets the client's, whatever it was.
    scheme, _, token = access.authorization.partition(" ")
    return kopf.ConnectionInfo(
        server=access.server,
        ca_path=access.authority,
        certificate_path=access.certificate,
        private_key_path=access.key,
        insecure=not access.verified,
        scheme=scheme or None,
        token=token or None,
    )


def _handler(
    kind: kinds.Kind, known: cache.Cache, reports: reporting.Reports, changed: Changed
) -> Callable[..., Any]:
    async def seen(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's name
        # A copy of plain dictionaries: kopf's body is a view.
        found = {**body, "metadata": dict(body["metadata"])}
        if kind == kinds.REPORT:
            take_report(reports, found, deleted=type == "DELETED")
            changed(kind, found, None)
        else:
            take(kind, found, known, changed, deleted=type == "DELETED")

    return seen


def take_report(reports: reporting.Reports, found: cache.Object, *, deleted: bool) -> None:
    """Take what an agent says, or that it says nothing any more."""
    if deleted:
        reports.drop(found)
    else:
        reports.put(found)


def take(
    kind: kinds.Kind,
    found: cache.Object,
    known: cache.Cache,
    changed: Changed,
    *,
    deleted: bool,
) -> None:
    """Take what a watch says of an object, unless something newer is known already."""
    namespace, name = cache.place(found)
    before = known.get(kind, name, namespace)
    if deleted:
        # Of one that was deleted and made again the end may come after the new beginning.
        if before is not None and before["metadata"].get("uid") == found["metadata"].get("uid"):
            known.drop(kind, found)
            changed(kind, found, before)
        return
    if before is not None:
        had, has = (each["metadata"].get("resourceVersion") for each in (before, found))
        if had == has or _older(has, had):
            return
    known.put(kind, found)
    changed(kind, found, before)


def _older(this: object, that: object) -> bool:
    texts = (str(this), str(that))
    return all(each.isdecimal() for each in texts) and int(texts[0]) < int(texts[1])
