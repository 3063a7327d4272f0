"""Which records of a Logstore are shown: those of some pods and containers, with some words.

`tail` asks here for each record that comes; `logs` puts the same places into its query, since its
limit counts what is found. Pure.
"""

import dataclasses
import fnmatch
import re
from collections.abc import Mapping
from typing import Final

from loghub_cli import errors, rendering

_POD: Final = "__tag__:_pod_name_"
_CONTAINER: Final = "__tag__:_container_name_"
_STREAM: Final = "_source_"
_NAME: Final = re.compile(r"[A-Za-z0-9._-]*\*?")
"""Of a pod or container in a query: the service's language has no more than a `*` at the end."""


@dataclasses.dataclass(frozen=True, slots=True)
class Narrowing:
    """What a record must have; empty: anything."""

    pod: str = ""
    """A name, or a pattern with `*`."""
    container: str = ""
    stream: str = ""
    include: tuple[re.Pattern[str], ...] = ()
    """The line must match each of them."""
    exclude: tuple[re.Pattern[str], ...] = ()

    def takes(self, found: Mapping[str, str]) -> bool:
        """Whether a record is shown."""
        for key, wanted in ((_POD, self.pod), (_CONTAINER, self.container), (_STREAM, self.stream)):
            if wanted and not fnmatch.fnmatchcase(found.get(key, ""), wanted):
                return False
        if not self.include and not self.exclude:
            return True
        said = rendering.text(found)
        if any(each.search(said) for each in self.exclude):
            return False
        return all(each.search(said) for each in self.include)

    def query(self, query: str) -> str:
        """The same for the service, beside a query of the person's.

        Raises:
            UsageError: a pattern that its language has not.
        """
        terms = []
        for flag, key, wanted in (
            ("--pod", _POD, self.pod),
            ("--container", _CONTAINER, self.container),
            ("--stream", _STREAM, self.stream),
        ):
            if wanted and not _NAME.fullmatch(wanted):
                raise errors.UsageError(
                    f"{flag} {wanted!r}: write a name, or its beginning with one * at the end."
                )
            terms += [f"{key}: {wanted}"] if wanted else []
        if not terms:
            return query
        search, pipe, sql = query.partition("|")
        search = search.strip()
        terms = [f"({search})", *terms] if search not in {"", "*"} else terms
        return " and ".join(terms) + (f" |{sql}" if pipe else "")


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression as a person writes it.

    Raises:
        UsageError: it is none.
    """
    try:
        return re.compile(text)
    except re.error as fault:
        raise errors.UsageError(f"{text!r} is no regular expression: {fault}.") from fault
