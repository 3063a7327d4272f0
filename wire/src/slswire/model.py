"""Log groups as values: what every PutLogs carries and every PullLogs returns."""

import dataclasses

Pairs = tuple[tuple[str, str], ...]
"""Keys and values in order; duplicates are kept, as the protocol does."""


@dataclasses.dataclass(frozen=True, slots=True)
class Log:
    """One record.

    Attributes:
        time: Unix seconds.
        contents: its fields.
        time_ns: nanoseconds within the second, 0..999999999, where the sender gave them.
    """

    time: int
    contents: Pairs
    time_ns: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class LogGroup:
    """Records of one source that travel, are stored and are counted as one.

    Attributes:
        logs: the records, in order.
        topic: a name the user chose for the kind of log.
        source: an address of the machine or pod.
        tags: fields that hold for every record.
        machine_uuid: set by some agents.
    """

    logs: tuple[Log, ...]
    topic: str = ""
    source: str = ""
    tags: Pairs = ()
    machine_uuid: str = ""
