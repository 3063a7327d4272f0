"""A service that keeps nothing itself: brokers have the logs, a shared catalogue the names.

`backends` opens it. Expired shards and topics are tidied here, and quotas are read again, since
another replica may have set them.
"""

import asyncio
import dataclasses
import logging
import pathlib
import time
from typing import Final

from loghub_ingest import backends, consumers, quotas, service
from loghub_ingest.catalogue import editing
from loghub_ingest.kafka import address, health, once
from loghub_ingest.kafka import storage as kafka
from loghub_ingest.storage import contract

_log = logging.getLogger(__name__)

TIDY_SECONDS: Final = 60.0

QUOTA_SECONDS: Final = 10.0
"""How soon a quota that another replica was told holds here."""


def open_one(where: address.Address, key_file: pathlib.Path) -> backends.Backend:
    """Open the storage at an address.

    Raises:
        database.NewerFormatError, contract.UnavailableError, OSError: it cannot be used.
    """
    storage = kafka.KafkaStorage(where, key_file)
    watched = health.Health(storage, where)

    def equipped(made: service.Service) -> service.Service:
        return dataclasses.replace(
            made,
            consumers=consumers.SharedGroups(storage),
            editing=editing.Editing(storage),
            once=once.Once(storage, made.writes, storage.transactor),
        )

    return backends.Backend(
        storage=storage,
        metered=watched,
        probe=watched.problem,
        shared=True,
        background=lambda running: (_tidy(storage), _follow_quotas(running)),
        equipped=equipped,
    )


async def _tidy(storage: kafka.KafkaStorage) -> None:
    while True:
        await asyncio.sleep(TIDY_SECONDS)
        try:
            await asyncio.to_thread(storage.drop_expired_shards, time.time_ns())
            await asyncio.to_thread(storage.trim)
        except contract.UnavailableError as fault:
            _log.warning("topics are not tidied now: %s", fault)


async def _follow_quotas(running: service.Service) -> None:
    while True:
        await asyncio.sleep(QUOTA_SECONDS)
        try:
            running.quotas.replace(await asyncio.to_thread(quotas.load, running.storage))
        except contract.UnavailableError as fault:
            _log.warning("quotas are not read now: %s", fault)
