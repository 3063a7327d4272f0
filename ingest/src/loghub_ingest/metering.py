"""What each Logstore took in and gave out, for metrics, `/status` and the splitting of shards.

Counted in plain dictionaries where requests pass, and read at a scrape: a metric with labels would
cost the hot path a look-up. The first Logstores that are used have series of their own, the others
one together: a series that came and went would look like a restart.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

from prometheus_client import core, registry

from loghub_ingest import __version__
from loghub_ingest.storage import contract, embedded

MAX_LOGSTORES: Final = 500
"""With series of their own; the rest are counted under project and logstore `_other`."""

_OTHER: Final = ("_other", "_other")


@dataclasses.dataclass(slots=True)
class Load:
    """What a shard got: raw bytes of log groups, and log groups."""

    bytes: int = 0
    writes: int = 0


@dataclasses.dataclass(slots=True)
class Usage:
    """Of one Logstore since the start; bytes in are raw, bytes out those of answers."""

    bytes_in: int = 0
    logs_in: int = 0
    groups_in: int = 0
    bytes_pulled: int = 0

    def add(self, other: "Usage") -> None:
        """Add another's."""
        self.bytes_in += other.bytes_in
        self.logs_in += other.logs_in
        self.groups_in += other.groups_in
        self.bytes_pulled += other.bytes_pulled


class Usages:
    """Of all Logstores, by ident. Used on the loop only."""

    def __init__(self) -> None:
        self._totals: dict[int, Usage] = {}
        self._others = Usage()
        self._named: set[int] = set()
        self._loads: dict[tuple[int, int], Load] = {}

    def wrote(self, group: contract.NewGroup, shard: int) -> None:
        """Count a log group that was stored."""
        total = self._of(group.store)
        total.bytes_in += group.raw_size
        total.logs_in += group.logs
        total.groups_in += 1
        load = self._loads.setdefault((group.store, shard), Load())
        load.bytes += group.raw_size
        load.writes += 1

    def pulled(self, store: int, size: int) -> None:
        """Count an answer of PullLogs."""
        self._of(store).bytes_pulled += size

    def take_loads(self) -> dict[tuple[int, int], Load]:
        """What (Logstore, shard) got since this was asked last."""
        loads, self._loads = self._loads, {}
        return loads

    def by_name(self, stores: Iterable[contract.Logstore]) -> dict[tuple[str, str], Usage]:
        """By project and Logstore; those beyond `MAX_LOGSTORES` and deleted ones under `_other`."""
        names = {store.ident: (store.project, store.name) for store in stores}
        for ident in [each for each in self._totals if each not in names]:
            self._others.add(self._totals.pop(ident))
            self._named.discard(ident)
        others = dataclasses.replace(self._others)
        found = {_OTHER: others}
        for ident, usage in self._totals.items():
            if ident in self._named:
                found[names[ident]] = usage
            else:
                others.add(usage)
        return found

    def _of(self, store: int) -> Usage:
        found = self._totals.get(store)
        if found is None:
            found = self._totals[store] = Usage()
            if len(self._named) < MAX_LOGSTORES:
                self._named.add(store)
        return found


class Metered(Protocol):
    """A storage as metrics and `/status` show it."""

    def all_logstores(self) -> Sequence[contract.Logstore]:
        """All of every project."""

    def gauges(self) -> Iterator[core.Metric]:
        """What a scrape says of it."""

    def status(self) -> dict[str, Any]:
        """What `/status` of the admin port says of this service; sizes in bytes."""


class Collector(registry.Collector):
    """The service's storage and Logstores as Prometheus scrapes them."""

    def __init__(self, storage: Metered, usages: Usages) -> None:
        self._storage, self._usages = storage, usages

    def describe(self) -> Iterable[core.Metric]:
        """Nothing: what there is is found out at a scrape."""
        return ()

    def collect(self) -> Iterator[core.Metric]:
        """One scrape."""
        kinds = {
            "bytes_in": (
                "loghub_ingest_logstore_received_bytes",
                "Raw bytes of log groups stored.",
            ),
            "logs_in": ("loghub_ingest_logstore_received_logs", "Logs stored."),
            "groups_in": ("loghub_ingest_logstore_received_groups", "Log groups stored."),
            "bytes_pulled": ("loghub_ingest_logstore_pulled_bytes", "Bytes answered to PullLogs."),
        }
        by_name = self._usages.by_name(self._storage.all_logstores())
        for field, (name, about) in kinds.items():
            family = core.CounterMetricFamily(name, about, labels=["project", "logstore"])
            for labels, usage in by_name.items():
                family.add_metric(labels, getattr(usage, field))
            yield family
        yield core.GaugeMetricFamily(
            "loghub_ingest_logstores", "Logstores.", len(self._storage.all_logstores())
        )
        yield from self._storage.gauges()


class Volume:
    """The embedded storage and the volume that it is on."""

    def __init__(self, storage: embedded.Embedded, data: pathlib.Path) -> None:
        self._storage, self._data = storage, data

    def all_logstores(self) -> Sequence[contract.Logstore]:
        """All of every project."""
        return self._storage.all_logstores()

    def gauges(self) -> Iterator[core.Metric]:
        """What a scrape says of it."""
        for name, about, value in self._gauges():
            yield core.GaugeMetricFamily(name, about, value)

    def status(self) -> dict[str, Any]:
        """What `/status` of the admin port says of this service; sizes in bytes."""
        return status(self._storage, self._data)

    def _gauges(self) -> Iterator[tuple[str, str, float]]:
        found = self.status()
        disk, segments = found["disk"], found["segments"]
        yield "loghub_ingest_disk_free_bytes", "Free on the data volume.", disk["freeBytes"]
        yield "loghub_ingest_disk_bytes", "Size of the data volume.", disk["totalBytes"]
        yield "loghub_ingest_segments", "Segments of the log, packed ones too.", segments["all"]
        yield "loghub_ingest_packed_segments", "Packed segments.", segments["packed"]
        yield "loghub_ingest_damaged_reads", "Reads that met damage.", found["damagedReads"]


def status(storage: embedded.Embedded, data: pathlib.Path) -> dict[str, Any]:
    """What `/status` of the admin port says of this service; sizes in bytes."""
    space = os.statvfs(data)
    stores = storage.all_logstores()
    every, packed = storage.segment_counts()
    return {
        "version": __version__,
        "projects": len(storage.projects()),
        "logstores": len(stores),
        "shards": sum(len(store.shards) for store in stores),
        "disk": {
            "totalBytes": space.f_blocks * space.f_frsize,
            "freeBytes": space.f_bavail * space.f_frsize,
        },
        "segments": {"all": every, "packed": packed},
        "writable": storage.alive,
        "damagedReads": storage.damaged_reads,
    }
