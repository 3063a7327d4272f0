"""Writes the AgentReport when its content changes, at most once a second, spread over the fleet.

`collecting` says when something changed, `reports` what the report is; this module only writes.
Server-side apply with a field manager of our own leaves alone what the operator adds to the object.
"""

import asyncio
import dataclasses
import logging
import random
from collections.abc import Callable
from typing import Any, Final

from loghub_agent import errors
from loghub_agent.cluster import api

_log = logging.getLogger(__name__)

FIELD_MANAGER: Final = "loghub-agent"
"""Contract with the operator."""
LEAST_SECONDS: Final = 1.0
"""Least time between two writes (contract)."""
JITTER_SECONDS: Final = 1.0
"""A change that reaches every node at once is answered over this time, not in one instant."""
_BACKOFF_SECONDS: Final = (1.0, 60.0)
"""First and longest wait after a failed write."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pool:
    """The CollectionAgent that this agent belongs to."""

    name: str
    uid: str
    """Empty where it is not known."""

    def owners(self) -> list[dict[str, str]]:
        """The report's owner references: it goes with its pool, so an uninstall leaves none."""
        if not self.uid:
            return []
        kind = {"apiVersion": "loghub.dev/v1alpha1", "kind": "CollectionAgent"}
        return [kind | {"name": self.name, "uid": self.uid}]


class Reporter:
    """One report, this node's."""

    def __init__(
        self,
        server: api.Api,
        *,
        namespace: str,
        node: str,
        pool: Pool,
        compose: Callable[[], dict[str, Any] | None],
    ) -> None:
        """`compose` returns the content as it stands, or None while it would mislead."""
        self._api = server
        self._path = f"/apis/loghub.dev/v1alpha1/namespaces/{namespace}/agentreports/{node}"
        self._metadata: dict[str, Any] = {
            "name": node,
            "namespace": namespace,
            "labels": {"loghub.dev/pool": pool.name},
        }
        if owners := pool.owners():
            self._metadata["ownerReferences"] = owners
        self._compose = compose
        self._wake = asyncio.Event()
        self._written: dict[str, Any] | None = None
        self._failures = 0
        self.writes = 0

    def poke(self) -> None:
        """Say that the content may have changed."""
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(LEAST_SECONDS + random.uniform(0, JITTER_SECONDS))  # noqa: S311
            self._wake.clear()
            try:
                await self.write()
                self._failures = 0
            except errors.ApiError as fault:
                first, longest = _BACKOFF_SECONDS
                wait = min(longest, first * 2 ** min(self._failures, 16))
                wait = max(fault.retry_after, wait * random.uniform(0.5, 1.0))  # noqa: S311
                self._failures += 1
                _log.warning(
                    "report not written",
                    extra={"reason": str(fault), "wait_seconds": round(wait, 2)},
                )
                await asyncio.sleep(wait)
                self._wake.set()

    async def write(self) -> None:
        """Write the report where it differs from what was written last.

        Raises:
            ApiError: the server refused or did not answer.
        """
        content = self._compose()
        if content is None or content == self._written:
            return
        document = {
            "apiVersion": "loghub.dev/v1alpha1",
            "kind": "AgentReport",
            "metadata": self._metadata,
            "report": content,
        }
        await self._api.apply(self._path, document, field_manager=FIELD_MANAGER)
        self._written = content
        self.writes += 1
