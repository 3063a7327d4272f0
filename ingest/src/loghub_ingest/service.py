"""What all requests of one service share: the storage, its names, and what is counted in memory.

`serving` makes it, every `requests.Call` carries it.
"""

import asyncio
import contextlib
import dataclasses
import time
from typing import Any

from loghub_ingest import access, consumers, exactlyonce, metering, quotas, tokens, writes
from loghub_ingest.storage import contract


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """One running service; `started` in unix seconds.

    `default_project` is where tracking goes whose address names none, as the web SDK's full URLs;
    `editing` is held by whoever reads a document to write it back changed.
    """

    storage: contract.LogStorage
    names: tuple[str, ...]
    writes: writes.Writes
    usages: metering.Usages
    once: exactlyonce.Writer
    consumers: consumers.Members
    quotas: quotas.Quotas
    tokens: tokens.Tokens
    started: int
    editing: contextlib.AbstractAsyncContextManager[Any]
    access: access.Access
    default_project: str


def make(
    storage: contract.LogStorage,
    names: tuple[str, ...],
    logged: access.Access = access.Access.OFF,
    default_project: str = "",
) -> Service:
    """A service of one process over `storage`; `names` are its host names (see `hosts`)."""
    usages = metering.Usages()
    ongoing = writes.Writes(storage, usages)
    return Service(
        storage=storage,
        names=names,
        writes=ongoing,
        usages=usages,
        once=exactlyonce.Once(storage, ongoing),
        consumers=consumers.Groups(time.monotonic()),
        quotas=quotas.load(storage),
        tokens=tokens.Tokens(storage),
        started=int(time.time()),
        editing=asyncio.Lock(),
        access=logged,
        default_project=default_project,
    )
