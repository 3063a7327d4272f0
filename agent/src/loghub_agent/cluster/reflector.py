"""Keeps one sink equal to one resource of the API server: list once, then watch, for ever.

`running` starts three of them, whatever the number of pipelines; `api` is beneath, a sink of
`sinks` above. A reflector holds a resource version and nothing else: what it reads, it hands on.

How it lives with what can happen:

* the watch ends (the server's own timeout, a proxy, a restart): watch again from the last version;
* the server has forgotten that version (410 as an answer or in the stream): list again;
* nothing arrives, not even a bookmark, for `silence_seconds`: the connection is dead, watch again;
* the server is away or refuses: wait with exponential backoff and jitter, and keep what is there.
"""

import asyncio
import dataclasses
import json
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, Protocol, TypeVar

from loghub_agent import errors
from loghub_agent.cluster import api, lines, listing

_Item = TypeVar("_Item")

_log = logging.getLogger(__name__)

MAX_ITEM_BYTES: Final = 16 * 1024 * 1024
"""Bound on one object: etcd keeps at most 1.5 MiB, which JSON and managedFields can multiply."""
FRESHEST: Final = ""
"""List from the server's newest state: dear, so only where the cache could not serve."""
FROM_CACHE: Final = "0"
"""List from the server's cache, whatever its age: with a fieldSelector on spec.nodeName the one
list that never makes the server read every pod of the cluster. The watch then catches up."""
_VERSION_REFUSED: Final = frozenset((400, 504))
"""Answers to a resource version that the server cannot have (504: "Too large resource version",
after etcd went back to a backup)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Timing:
    """Waits in seconds. The defaults are for a cluster; tests make them short."""

    watch_seconds: tuple[float, float] = (240.0, 480.0)
    """Server-side timeout of a watch, drawn between the two so that a fleet does not move as one.
    client-go takes 5 to 10 minutes."""
    silence_seconds: float = 100.0
    """Longest quiet of a watch. The server sends a bookmark about once a minute."""
    list_seconds: float = 60.0
    """Longest list; the server gives up after 60 s itself."""
    overtime_seconds: float = 30.0
    """How much longer than its server-side timeout a watch may take."""
    backoff_seconds: tuple[float, float] = (0.5, 30.0)
    """First and longest wait after a failure."""
    hasty_seconds: float = 1.0
    """A watch that ends sooner without a word counts as a failure: no hot loop."""


class Sink(Protocol[_Item]):
    """What a reflector fills. Calls come from the event loop and must not wait."""

    name: str
    """For logs and metrics."""

    def parse(self, document: Mapping[str, Any]) -> _Item:
        """Read an object. Raises RefusedError for one that is not readable at all."""

    def replace(self, items: list[_Item]) -> None:
        """Take a complete list."""

    def upsert(self, item: _Item) -> None:
        """Take one object that was added or changed."""

    def remove(self, item: _Item) -> None:
        """Take one object as deleted; the item is its last form."""


class Reflector(Generic[_Item]):
    """One list and watch."""

    def __init__(
        self,
        server: api.Api,
        path: str,
        sink: Sink[_Item],
        *,
        selectors: Mapping[str, str],
        timing: Timing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`path` is the collection's; `selectors` its fieldSelector or labelSelector."""
        self._api = server
        self._path = path
        self._sink = sink
        self._selectors = dict(selectors)
        self._timing = timing
        self._clock = clock
        self._must_list = True
        self._list_from = FROM_CACHE
        self._failures = 0
        self.resource_version = ""
        """The version that the sink's content stands for."""
        self.has_picture = False
        """Whether the sink holds a complete picture, be it a saved one."""
        self.last_progress = clock()
        """Clock time of the last byte or finished attempt: old only if this loop is stuck."""
        self.last_contact = clock()
        """Clock time of the last word from the server."""
        self.lists = 0
        self.watches = 0
        self.on_listed: Callable[[], None] = lambda: None
        """Called after every list, also one that changed nothing."""
        self.complaint = ""
        """What stands in the way now; empty while all is well."""

    @property
    def name(self) -> str:
        """The sink's name."""
        return self._sink.name

    def resume(self, resource_version: str) -> None:
        """Go on from a saved version; the sink was filled with what it stands for."""
        self.resource_version = resource_version
        self._must_list = not resource_version
        self.has_picture = True

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                if self._must_list:
                    await self._list()
                await self._watch()
            except errors.ApiError as fault:
                await self._wait_after(fault)

    async def _wait_after(self, fault: errors.ApiError) -> None:
        self.last_progress = self._clock()
        self._choose_list(fault)
        first, longest = self._timing.backoff_seconds
        wait = min(longest, first * 2 ** min(self._failures, 16)) * random.uniform(0.5, 1.0)  # noqa: S311
        wait = max(wait, fault.retry_after)
        self._failures += 1
        self.complaint = str(fault)
        _log.warning(
            "watch interrupted",
            extra={"watch": self.name, "reason": self.complaint, "wait_seconds": round(wait, 2)},
        )
        await asyncio.sleep(wait)

    def _choose_list(self, fault: errors.ApiError) -> None:
        """Decide whether the fault asks for a list, and how fresh that must be."""
        if isinstance(fault, errors.ExpiredError):
            # The cache may be as old as what expired; where even such a list says so, ask for all.
            self._list_from = FRESHEST if self._must_list else self.resource_version
            self._must_list = True
        elif fault.status in _VERSION_REFUSED:
            self._list_from = FRESHEST
            self._must_list = True

    def _heard(self) -> None:
        """Note that the server spoke."""
        self.last_progress = self.last_contact = self._clock()
        if self.complaint:
            self.complaint = ""
            _log.info("watch works again", extra={"watch": self.name})

    async def _list(self) -> None:
        query = self._selectors | {"resourceVersion": self._list_from}
        if self._list_from not in {FROM_CACHE, FRESHEST}:
            query["resourceVersionMatch"] = "NotOlderThan"  # never back behind what was seen
        items: list[_Item] = []
        reader = listing.ListReader(MAX_ITEM_BYTES)
        timing = self._timing
        async with self._api.stream(
            self._path, query, total=timing.list_seconds, silence=timing.list_seconds
        ) as chunks:
            async for chunk in chunks:
                self.last_progress = self._clock()
                self._read_into(items, reader.feed(chunk))
        self._read_into(items, reader.finish())
        self._sink.replace(items)
        self.resource_version = reader.resource_version
        self._must_list = False
        self.has_picture = True
        self.lists += 1
        self._heard()
        self.on_listed()
        _log.info("listed", extra={"watch": self.name, "objects": len(items)})

    def _read_into(self, items: list[_Item], documents: Iterable[dict[str, Any]]) -> None:
        for document in documents:
            try:
                items.append(self._sink.parse(document))
            except errors.RefusedError as refusal:
                _log.warning("object left out", extra={"watch": self.name, "reason": str(refusal)})

    async def _watch(self) -> None:
        timing = self._timing
        seconds = random.uniform(*timing.watch_seconds)  # noqa: S311  (spreads load, guards nothing)
        query = self._selectors | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self.resource_version,
            "timeoutSeconds": str(max(1, int(seconds))),
        }
        started, events = self._clock(), 0
        reader = lines.LineReader(MAX_ITEM_BYTES)
        try:
            async with self._api.stream(
                self._path,
                query,
                total=seconds + timing.overtime_seconds,
                silence=timing.silence_seconds,
            ) as chunks:
                self.watches += 1
                self._heard()
                async for chunk in chunks:
                    self._heard()
                    for line in reader.feed(chunk):
                        self._take(line)
                        events += 1
        finally:
            # Only a watch that lived ends a row of failures: a list alone, followed by another 410,
            # would otherwise be a loop at full speed.
            lived = events or self._clock() - started >= timing.hasty_seconds
            if lived:
                self._failures = 0
        if not lived:
            raise errors.ApiError(f"GET {self._path}: the watch ended at once, without a word")

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            kind, document = event["type"], event["object"]
            if kind == "ERROR":
                status, body = int(document.get("code") or 0), json.dumps(document).encode()
                raise api.from_status(f"watch {self._path}", status, body)
            version = document["metadata"]["resourceVersion"]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
            raise errors.ApiError(f"watch {self._path}: an event is no event ({fault})") from fault
        if kind != "BOOKMARK":
            self._pass_on(kind, document)
        self.resource_version = version

    def _pass_on(self, kind: str, document: Mapping[str, Any]) -> None:
        try:
            item = self._sink.parse(document)
        except errors.RefusedError as refusal:
            _log.warning("object left out", extra={"watch": self.name, "reason": str(refusal)})
            return
        if kind == "DELETED":
            self._sink.remove(item)
        else:
            self._sink.upsert(item)
