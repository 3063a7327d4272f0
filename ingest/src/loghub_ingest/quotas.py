"""What one project may use per second: written bytes, writes, reads. One cannot starve another.

Token buckets in memory. `api.quotas` sets them, `api.routes` says which calls are metered. The
codes are those on which every client backs off and keeps its data.
"""

import dataclasses
from typing import Final

from loghub_ingest.storage import contract
from slswire import errors

KIND: Final = "quota"
"""The kind, and the name, of the document that holds a project's."""

BURST_SECONDS: Final = 10
"""How long a project that was silent may go at twice its rate, as agents do after an outage."""

MAX_RATE: Final = 2**40


@dataclasses.dataclass(frozen=True, slots=True)
class Quota:
    """Per second. The defaults are the service's own hard limits of a project."""

    write_bytes: int = 500_000_000
    writes: int = 10_000
    reads: int = 10_000


@dataclasses.dataclass(slots=True)
class _Bucket:
    rate: int
    level: float
    at: float

    def take(self, amount: int, now: float) -> bool:
        most = self.rate * BURST_SECONDS
        self.level = min(most, self.level + (now - self.at) * self.rate)
        self.at = now
        # What is larger than a full bucket goes through a full one, and is paid for afterwards.
        if self.level < min(amount, most):
            return False
        self.level -= amount
        return True


class Quotas:
    """The buckets of every project. Used on the loop only."""

    def __init__(self) -> None:
        self._quotas: dict[str, Quota] = {}
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def of(self, project: str) -> Quota:
        """What a project may use."""
        return self._quotas.get(project, Quota())

    def set(self, project: str, quota: Quota | None) -> None:
        """Change it; None is the default again, as for a project that is gone."""
        self._quotas.pop(project, None)
        if quota is not None:
            self._quotas[project] = quota
        for place in [each for each in self._buckets if each[0] == project]:
            del self._buckets[place]

    def replace(self, other: "Quotas") -> None:
        """Take what `other` was loaded with, where it differs."""
        for project in self._quotas.keys() | other._quotas.keys():
            if self.of(project) != other.of(project):
                self.set(project, other._quotas.get(project))

    def write(self, project: str, size: int, now: float) -> None:
        """Pay for a write of `size` bytes on the wire.

        Raises:
            SlsError: WriteQuotaExceed.
        """
        quota = self.of(project)
        if not (
            self._bucket(project, "writes", quota.writes, now).take(1, now)
            and self._bucket(project, "bytes", quota.write_bytes, now).take(size, now)
        ):
            raise errors.make("WriteQuotaExceed")

    def read(self, project: str, now: float) -> None:
        """Pay for a read.

        Raises:
            SlsError: ReadQuotaExceed.
        """
        if not self._bucket(project, "reads", self.of(project).reads, now).take(1, now):
            raise errors.make("ReadQuotaExceed")

    def _bucket(self, project: str, kind: str, rate: int, now: float) -> _Bucket:
        bucket = self._buckets.get((project, kind))
        if bucket is None:
            full = float(rate * BURST_SECONDS)
            bucket = self._buckets[project, kind] = _Bucket(rate, full, now)
        return bucket


def load(storage: contract.LogStorage) -> Quotas:
    """With what was set before the service started."""
    found = Quotas()
    for project in storage.projects():
        document = storage.document(project.name, KIND, KIND)
        if document is not None:
            found.set(project.name, Quota(**document.body))
    return found
