"""Events on objects, for `kubectl describe`: bounded in number.

Each object has a small bucket that refills slowly, so that a fault that comes and goes cannot flood
the API server; good news of all objects share another. Nothing depends on an Event: one that is
dropped or refused is logged and forgotten.
"""

import datetime as dt
import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from loghub_operator import cluster, kinds

_log = logging.getLogger(__name__)

BURST: Final = 10
"""Events that one object may cause at once."""
REFILL_SECONDS: Final = 60.0
"""One more after each."""
GOOD_BURST: Final = 200.0
"""Events of type Normal that all objects together may cause at once: thousands that become ready
in one start must not take the API server's time from what makes them ready."""
GOOD_PER_SECOND: Final = 5.0
_MAX_OBJECTS: Final = 10_000
"""Buckets remembered; the oldest is forgotten first."""


class Events:
    """Writes events; `clock` is monotonic."""

    def __init__(self, api: cluster.Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._api, self._clock = api, clock
        self._buckets: dict[str, tuple[float, float]] = {}
        self._told: dict[str, None] = {}
        self._good, self._good_since = GOOD_BURST, clock()

    async def warn(
        self, kind: kinds.Kind, about: Mapping[str, Any], reason: str, sentence: str
    ) -> None:
        """Something is wrong with the object."""
        await self._write("Warning", kind, about, (reason, sentence))

    async def warn_once(
        self, kind: kinds.Kind, about: Mapping[str, Any], reason: str, sentence: str
    ) -> None:
        """Something is wrong for as long as the object is as it is: one event for each sentence.

        The event's name comes from what it says, so that neither a restart nor a second replica
        says it again while the first one is kept.
        """
        whole = "\n".join((str(about["metadata"].get("uid", "")), reason, sentence))
        digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
        if digest in self._told:
            return
        if await self._write("Warning", kind, about, (reason, sentence), digest=digest):
            self._told[digest] = None
            if len(self._told) > _MAX_OBJECTS:
                del self._told[next(iter(self._told))]

    async def tell(
        self, kind: kinds.Kind, about: Mapping[str, Any], reason: str, sentence: str
    ) -> None:
        """Something happened to the object that its owner may want to know."""
        now = self._clock()
        left = min(GOOD_BURST, self._good + (now - self._good_since) * GOOD_PER_SECOND)
        self._good, self._good_since = left, now
        if left < 1:
            _log.debug("an event was left out: too many objects", extra={"said": sentence})
            return
        self._good -= 1
        await self._write("Normal", kind, about, (reason, sentence))

    async def _write(
        self,
        type_: str,
        kind: kinds.Kind,
        about: Mapping[str, Any],
        said: tuple[str, str],
        *,
        digest: str = "",
    ) -> bool:
        """Write it and say whether it is there now."""
        if not self._allowed(str(about["metadata"].get("uid", ""))):
            _log.info("an event was left out: too many on one object", extra={"said": said[1]})
            return False
        event = _event(type_, kind, about, said)
        if digest:
            event["metadata"]["name"] = event["metadata"].pop("generateName") + digest
        try:
            await self._api.create(kinds.EVENT, event)
        except cluster.ClusterError as fault:
            if digest and fault.conflict:
                return True
            _log.warning("an event was not written: %s", fault)
            return False
        return True

    def _allowed(self, uid: str) -> bool:
        now = self._clock()
        left, since = self._buckets.pop(uid, (float(BURST), now))
        left = min(float(BURST), left + (now - since) / REFILL_SECONDS)
        allowed = left >= 1
        self._buckets[uid] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _MAX_OBJECTS:
            del self._buckets[next(iter(self._buckets))]
        return allowed


def _event(
    type_: str,
    kind: kinds.Kind,
    about: Mapping[str, Any],
    said: tuple[str, str],
) -> dict[str, Any]:
    metadata = about["metadata"]
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    name = {"generateName": f"{metadata['name'][:200]}."}
    return {
        # Events of cluster-scoped objects are in the namespace `default`, as Kubernetes' own.
        "metadata": name | {"namespace": metadata.get("namespace") or "default"},
        "involvedObject": {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "name": metadata["name"],
            "namespace": metadata.get("namespace", ""),
            "uid": metadata["uid"],
        },
        "type": type_,
        "reason": said[0],
        "message": said[1][:1000],
        "source": {"component": cluster.MANAGER},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
