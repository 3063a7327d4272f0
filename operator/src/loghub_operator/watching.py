"""kopf's watches fill the cache and name what to look at again. Edge in, level out.

Only `on.event` handlers: they write no annotations and put no finalizers on users' objects.
What the watches cannot tell, the lists between them do: `streams` brings these to `take_list`.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import aiohttp
import kopf

from loghub_operator import cache, cluster, kinds, reporting

Changed = Callable[[kinds.Kind, cache.Object, cache.Object | None], None]
"""Told of each object that came, changed or went, and how it was before."""

SILENT_SECONDS: Final = 70.0
"""A watch that is silent for so long is begun anew: the API server has a bookmark each minute."""
PAUSES: Final = (1.0, 1.0, 2.0, 4.0, 8.0)
"""Between attempts at a request that fails; the last one again and again, since a watch must not
end because the API server was away. With SILENT_SECONDS and REQUEST_SECONDS it is what a watch
needs to recover: 90 s at most."""
CONNECT_SECONDS: Final = 5.0
REQUEST_SECONDS: Final = 30.0
_SERVER_SECONDS: Final = 300
_CLIENT_SECONDS: Final = 310
_IDLE_SECONDS: Final = 0.5
"""kopf keeps a task for each object of late, for more of its events."""


class _Pauses(Iterable[float]):
    """Without an end, and without a length: kopf gives up after the last of a list."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain(PAUSES, itertools.repeat(PAUSES[-1]))


class _NoDiffs(kopf.DiffBaseStorage):
    """kopf copies each object to find out what changed since it was handled: nobody here asks."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        """Nothing is kept on users' objects."""


def settings(silent: float = SILENT_SECONDS) -> kopf.OperatorSettings:
    """Kopf's settings: explicit time-outs, because a watch without one can go silent for ever."""
    found = kopf.OperatorSettings()
    found.watching.server_timeout = _SERVER_SECONDS
    found.watching.client_timeout = _CLIENT_SECONDS
    found.watching.connect_timeout = CONNECT_SECONDS
    found.watching.inactivity_timeout = silent
    found.watching.reconnect_backoff = 1.0
    found.networking.request_timeout = REQUEST_SECONDS
    found.networking.error_backoffs = _Pauses()
    found.queueing.idle_timeout = _IDLE_SECONDS
    found.persistence.diffbase_storage = _NoDiffs()
    found.posting.enabled = False
    found.peering.standalone = True
    found.scanning.disabled = True
    return found


def registry(
    known: cache.Cache,
    reports: reporting.Reports,
    changed: Changed,
    open_session: Callable[[], tuple[str, aiohttp.ClientSession]],
) -> kopf.OperatorRegistry:
    """Handlers for every watched kind; `open_session` gives the API server's address and a way."""

    async def login(**_: Any) -> kopf.AiohttpSession:
        server, session = open_session()
        return kopf.AiohttpSession(server=server, aiohttp_session=session)

    found = kopf.OperatorRegistry()
    kopf.on.login(registry=found)(login)
    for kind in kinds.WATCHED:
        group, _, version = kind.api_version.rpartition("/")
        kopf.on.event(group, version, kind.plural, registry=found, id=kind.plural)(
            _handler(kind, known, reports, changed)
        )
    return found


def _handler(
    kind: kinds.Kind, known: cache.Cache, reports: reporting.Reports, changed: Changed
) -> Callable[..., Any]:
    async def seen(event: kopf.RawEvent, **_: Any) -> None:
        found: cache.Object = event["object"]
        deleted = event["type"] == "DELETED"
        if kind == kinds.REPORT:
            take_report(reports, found, deleted=deleted)
            changed(kind, found, None)
        else:
            take(kind, found, known, changed, deleted=deleted)

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


def take_list(
    kind: kinds.Kind, listing: cluster.Listing, known: cache.Cache, changed: Changed
) -> None:
    """Take a whole list: what came, what changed, and what went without a watch telling of it."""
    listed = {cache.place(each) for each in listing.items}
    for before in list(known.all(kind)):
        # The list is of one moment; what was written since then is known better.
        here = before["metadata"].get("resourceVersion")
        if cache.place(before) not in listed and not _older(listing.version, here):
            known.drop(kind, before)
            changed(kind, before, before)
    for each in listing.items:
        take(kind, each, known, changed, deleted=False)


def _older(this: object, that: object) -> bool:
    texts = (str(this), str(that))
    return all(each.isdecimal() for each in texts) and int(texts[0]) < int(texts[1])
