"""Writes with `seqid` where logs are on brokers: refused, so that nobody takes them for once."""

from collections.abc import Callable

from loghub_ingest import exactlyonce
from loghub_ingest.storage import contract
from slswire import errors


class Refusing:
    """An `exactlyonce.Writer` that takes nothing."""

    async def append(
        self,
        store: contract.Logstore,
        choose: Callable[[], contract.Shard],
        group: contract.NewGroup,
        number: exactlyonce.Number,
    ) -> None:
        """Refuse.

        Raises:
            SlsError: NotSupported.
        """
        del store, choose, group, number
        detail = "seqid: this service keeps logs on Kafka, which takes no numbered writes yet."
        raise errors.make("NotSupported", detail=detail)
