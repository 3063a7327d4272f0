"""What all requests of one service share: the storage, its names, and what is counted in memory.

`serving` makes it, every `requests.Call` carries it.
"""

import asyncio
import dataclasses
import time

from loghub_ingest import access, consumers, exactlyonce, quotas, writes
from loghub_ingest.storage import contract


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """One running service; `started` in unix seconds.

    `editing` is held by whoever reads a document to write it back changed.
    """

    storage: contract.LogStorage
    names: tuple[str, ...]
    writes: writes.Writes
    once: exactlyonce.Once
    consumers: consumers.Groups
    quotas: quotas.Quotas
    started: int
    editing: asyncio.Lock
    access: access.Access


def make(
    storage: contract.LogStorage,
    names: tuple[str, ...],
    logged: access.Access = access.Access.OFF,
) -> Service:
    """A service over `storage`; `names` are its host names (see `hosts`)."""
    ongoing = writes.Writes(storage)
    return Service(
        storage=storage,
        names=names,
        writes=ongoing,
        once=exactlyonce.Once(storage, ongoing),
        consumers=consumers.Groups(time.monotonic()),
        quotas=quotas.load(storage),
        started=int(time.time()),
        editing=asyncio.Lock(),
        access=logged,
    )
