"""Leader election by a Lease: of several replicas one works, the others wait.

A leader that cannot renew in time ends the process; whoever takes over finds everything in the
cluster, since nothing is kept in memory that matters.
"""

import asyncio
import datetime as dt
import logging
import math
import time
from collections.abc import Mapping
from typing import Any, Final

from loghub_operator import cluster, kinds

_log = logging.getLogger(__name__)

NAME: Final = "loghub-operator"
DURATION_SECONDS: Final = 15
RENEW_SECONDS: Final = 4
FENCE_SECONDS: Final = 10
"""Nothing is written so long after the last renewal: others wait for DURATION_SECONDS, and a
request may be on its way for a while."""
_FORMAT: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class LostError(Exception):
    """Somebody else leads now, or the API server was away for too long."""


class Lease:
    """This process's claim. `metadata` names its owner, so that it goes with the release."""

    def __init__(self, api: cluster.Cluster, metadata: Mapping[str, Any], identity: str) -> None:
        self._api, self._metadata, self._identity = api, metadata, identity
        self._namespace = str(metadata["namespace"])
        self._renewed = -math.inf
        """When the last successful renewal was begun; monotonic, which counts while a process is
        stopped."""

    def fresh(self) -> bool:
        """Whether nobody else can lead yet."""
        return time.monotonic() - self._renewed < FENCE_SECONDS

    async def acquire(self) -> None:
        """Wait until this process leads."""
        waiting = False
        while not await self._try():
            if not waiting:
                _log.info("another replica leads; waiting")
                waiting = True
            await asyncio.sleep(RENEW_SECONDS)
        _log.info("leading", extra={"identity": self._identity})

    async def keep(self) -> None:
        """Renew until cancelled.

        Raises:
            LostError: the lease could not be renewed in time.
        """
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            renewed = await self._try()
            if not renewed and time.monotonic() - self._renewed > DURATION_SECONDS:
                raise LostError("the lease could not be renewed: this process ends")

    async def release(self) -> None:
        """Let another replica take over at once."""
        found = await self._api.get(kinds.LEASE, NAME, self._namespace)
        if found and found["spec"].get("holderIdentity") == self._identity:
            found["spec"]["holderIdentity"] = ""
            await self._api.replace(kinds.LEASE, found)

    async def _try(self) -> bool:
        begun = time.monotonic()
        if await self._claim():
            self._renewed = begun
            return True
        return False

    async def _claim(self) -> bool:
        try:
            found = await self._api.get(kinds.LEASE, NAME, self._namespace)
            now = dt.datetime.now(dt.UTC)
            if found is None:
                wanted = {"metadata": dict(self._metadata), "spec": self._spec(now, {})}
                await self._api.create(kinds.LEASE, wanted)
                return True
            if not self._free(found["spec"], now):
                return False
            found["spec"] = self._spec(now, found["spec"])
            found["metadata"].update(self._metadata)
            await self._api.replace(kinds.LEASE, found)
        except cluster.ClusterError as fault:
            _log.warning("the lease is not ours yet: %s", fault)
            return False
        return True

    def _free(self, spec: dict[str, Any], now: dt.datetime) -> bool:
        holder = spec.get("holderIdentity", "")
        if holder in {"", self._identity}:
            return True
        renewed = dt.datetime.strptime(spec["renewTime"], _FORMAT).replace(tzinfo=dt.UTC)
        lasts = int(spec.get("leaseDurationSeconds", DURATION_SECONDS))
        return (now - renewed).total_seconds() > lasts

    def _spec(self, now: dt.datetime, before: dict[str, Any]) -> dict[str, Any]:
        stamp = now.strftime(_FORMAT)
        same = before.get("holderIdentity") == self._identity
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": DURATION_SECONDS,
            "acquireTime": before["acquireTime"] if same else stamp,
            "renewTime": stamp,
            "leaseTransitions": int(before.get("leaseTransitions", 0)) + (not same),
        }
