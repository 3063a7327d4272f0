"""Opt-in by a container's environment, as Alibaba Cloud's agents read it. Pure.

`aliyun_logs_<key>=stdout`, or a path inside the container, asks for collection, and
`aliyun_logs_<key>_<suffix>` refines it; `loong_logs_` says the same and wins. A key is lower-case
letters, digits and `-`, so the first `_` ends it. What our resources cannot say becomes a
`wishes.Problem`, and the container's other variables work on.
"""

import collections
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

from loghub_agent import forms, paths, pods, wishes
from loghub_agent.config import limits

_T = TypeVar("_T")

DEFAULT_RETENTION_DAYS: Final = 90
"""Of a Logstore that is made for a variable without `_ttl`; what those agents take."""

_STREAMS: Final[Mapping[str, tuple[str, ...]]] = {
    "stdout": wishes.BOTH,
    "stdout-only": ("stdout",),
    "stderr-only": ("stderr",),
}
_KEY: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_MODES: Final[Mapping[str, str]] = {"standard": "Standard", "query": "Query"}
HONOURED: Final = (
    "logstore", "project", "tags", "ttl", "shard", "logstoremode", "jsonfile", "dockerfile",
)  # fmt: skip
"""Suffixes that do something; docs/own-keys.md has a row for each."""
REFUSED: Final[Mapping[str, str]] = {
    "machinegroup": "agents run on every node, there are no machine groups to choose from: remove "
    "it, or choose nodes with a CollectionAgent",
    "detail": "is not read; write a LogConfig instead",
    "product": "is not read; name the destination with _project and _logstore",
    "language": "is not read; for stack traces write a LogConfig with spec.multiline",
}
_WITH_PATH: Final[Mapping[str, str]] = {
    "jsonfile": "goes with a path; for JSON lines of the output write a LogConfig with spec.parser",
    "dockerfile": "goes with a path; remove it",
}


def asked(container: pods.Container, problems: list[wishes.Problem]) -> tuple[wishes.Wish, ...]:
    """Return what a container's variables ask for, adding to `problems`."""
    found: dict[str, dict[str, tuple[str, str]]] = collections.defaultdict(dict)
    for name, _ in container.environment[pods.MAX_VARIABLES :]:
        words = f"and what follows is not read: a container may have {pods.MAX_VARIABLES} such keys"
        problems.append(wishes.Problem(container.name, name, words))
    for name, value in _by_rank(container):
        prefix = next(prefix for prefix in pods.VARIABLES if name.startswith(prefix))
        key, _, suffix = name.removeprefix(prefix).partition("_")
        if not key or not _KEY.issuperset(key):
            words = "has no key of lower-case letters, digits and '-' after its prefix"
            problems.append(wishes.Problem(container.name, name, words))
        elif value is None:
            words = "comes from a Secret, ConfigMap or field, which agents do not read: write value"
            problems.append(wishes.Problem(container.name, name, words))
        elif len(value) > limits.MAX_ANNOTATION_CHARACTERS:
            words = f"is longer than {limits.MAX_ANNOTATION_CHARACTERS} characters; shorten it"
            problems.append(wishes.Problem(container.name, name, words))
        else:
            found[key][suffix] = (name, value.strip())
    return tuple(
        wish
        for key, parts in sorted(found.items())
        if (wish := _Reading(container.name, key, parts, problems).wish()) is not None
    )


def _by_rank(container: pods.Container) -> Iterator[tuple[str, str | None]]:
    """The prefix that wins comes last, and a later variable of one name before an earlier."""
    for prefix in reversed(pods.VARIABLES):
        read = container.environment[: pods.MAX_VARIABLES]
        yield from (each for each in read if each[0].startswith(prefix))


class _Reading:
    """The variables of one key, by suffix."""

    def __init__(
        self,
        container: str,
        key: str,
        parts: dict[str, tuple[str, str]],
        problems: list[wishes.Problem],
    ) -> None:
        self._container, self._key, self._problems = container, key, problems
        self._parts = dict(parts)

    def wish(self) -> wishes.Wish | None:
        """Return what the key asks for, or None."""
        name, value = self._parts.pop("", ("", ""))
        if not name:
            for suffix in sorted(self._parts):
                self._refuse(suffix, f"does nothing without aliyun_logs_{self._key}=stdout")
            return None
        streams = _STREAMS.get(value, ())
        if not streams and (why := _no_source(value)):
            self._problems.append(wishes.Problem(self._container, name, why))
            return None
        form = forms.PLAIN if streams else self._files(value)
        if form is None:
            return None
        made: dict[str, str | int] = {
            "retentionDays": self._whole("ttl", 3650) or DEFAULT_RETENTION_DAYS
        }
        if shards := self._whole("shard", 10):
            made["shardCount"] = shards
        if mode := self._read("logstoremode", _MODES.get, "write standard or query"):
            made["mode"] = mode
        tag = self._read("tags", wishes.split_tag, "write one name=value, the name without _")
        wish = wishes.Wish(
            logstore=self._parts.pop("logstore", ("", ""))[1] or self._key,
            project=self._parts.pop("project", ("", ""))[1],
            via=wishes.ENVIRONMENT,
            key=name,
            streams=streams,
            tags=(tag,) if tag else (),
            form=form,
            create=tuple(sorted(made.items())),
        )
        for suffix in sorted(self._parts):
            known = REFUSED.get(suffix) or _WITH_PATH.get(suffix)
            self._refuse(suffix, known or "has a suffix that nobody knows: remove it")
        return wish

    def _files(self, path: str) -> forms.Form | None:
        """The form of a wish for a file; None where it is not one of the container's."""
        json_lines = self._read("jsonfile", _flag, "write true or false")
        name, _ = self._parts.get("dockerfile", ("", ""))
        if self._read("dockerfile", _flag, "write true or false") is False:
            words = f"asks for {path[:80]} of the node, and a pod can name its own files only"
            self._problems.append(wishes.Problem(self._container, name, words))
            return None
        return forms.Form((path,), parser="json" if json_lines else "")

    def _read(self, suffix: str, read: Callable[[str], _T | None], way_out: str) -> _T | None:
        """Take a suffix's value; what cannot be read is a problem and counts as not there."""
        name, value = self._parts.pop(suffix, ("", ""))
        if not name:
            return None
        result = read(value)
        if result is None:
            words = f"is {value[:80]!r}; {way_out}"
            self._problems.append(wishes.Problem(self._container, name, words))
        return result

    def _whole(self, suffix: str, most: int) -> int | None:
        def read(text: str) -> int | None:
            good = text.isascii() and text.isdigit() and len(text) <= len(str(most))
            return int(text) if good and 1 <= int(text) <= most else None

        return self._read(suffix, read, f"write a whole number from 1 to {most}")

    def _refuse(self, suffix: str, words: str) -> None:
        name = self._parts[suffix][0]
        self._problems.append(wishes.Problem(self._container, name, words))


def _flag(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _no_source(value: str) -> str:
    """What is wrong with a value that is none of the words for output; empty if it is a path."""
    if "/" not in value:
        return (
            f"is {value[:80]!r}; write stdout, stdout-only, stderr-only, or a path inside the "
            "container, as /var/log/app/*.log"
        )
    fault = paths.fault(value)
    return f"is {value[:80]!r}, which {fault}" if fault else ""
