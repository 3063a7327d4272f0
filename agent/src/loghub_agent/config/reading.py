"""A strict cursor over a decoded document: wrong types and unknown keys become sentences.

`raw` reads every document through `Section`. Each read names the key it wants; `Section.end` then
refuses whatever nobody asked for, so that a misspelt key never passes silently.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

from loghub_agent import errors
from loghub_agent.config import limits

_MISSING: Final = object()


def _kind(value: object) -> str:
    names = {dict: "a map", list: "a list", str: "text", bool: "a boolean", int: "a whole number"}
    return names.get(type(value), "null" if value is None else type(value).__name__)


class Section:
    """One map of a document. `path` is where it stands, `subject` whose document it is."""

    def __init__(self, value: object, *, subject: str, path: str) -> None:
        self.subject = subject
        self.path = path
        if not isinstance(value, dict):
            self.refuse("", f"must be a map, not {_kind(value)}")
        self._values: dict[Any, Any] = value
        self._asked: list[str] = []

    def refuse(self, key: str, complaint: str) -> NoReturn:
        """Refuse the document because of `key` (empty: because of this map as a whole)."""
        where = f"{self.path}.{key}" if key else self.path
        raise errors.RefusedError(f"{self.subject}: {where} {complaint}")

    def _take(self, key: str) -> Any:
        self._asked.append(key)
        value = self._values.get(key, _MISSING)
        return _MISSING if value is None else value

    def end(self) -> None:
        """Refuse keys that nobody asked for."""
        unknown = sorted(str(key) for key in self._values if key not in self._asked)
        if unknown:
            known = ", ".join(sorted(self._asked))
            self.refuse(
                unknown[0],
                f"is not a field this agent knows (known here: {known}); correct the spelling or "
                "remove it, or update the agent if a newer operator wrote it",
            )

    def names(self) -> list[str]:
        """Return the keys of a map whose keys are names, refusing one that is no text."""
        if len(self._values) > limits.MAX_ENTRIES:
            self.refuse("", f"has over {limits.MAX_ENTRIES} entries; split it")
        return [self._checked_text("", name, limits.MAX_TEXT_CHARACTERS) for name in self._values]

    def section(self, key: str) -> "Section | None":
        """Return the map at `key`, or None where it is absent."""
        value = self._take(key)
        if value is _MISSING:
            return None
        return Section(value, subject=self.subject, path=f"{self.path}.{key}")

    def required_section(self, key: str) -> "Section":
        """Return the map at `key`; refuse the document without it."""
        section = self.section(key)
        if section is None:
            self.refuse(key, "is missing; it is required")
        return section

    def _checked_text(self, key: str, value: object, limit: int, *, control: bool = False) -> str:
        if not isinstance(value, str):
            self.refuse(key, f"must be text, not {_kind(value)}; put it in quotes")
        if len(value) > limit:
            self.refuse(key, f"is longer than {limit} characters; shorten it")
        if not control and any(ord(character) < 0x20 and character != "\t" for character in value):
            self.refuse(key, "holds a control character; remove it")
        return value

    def text(
        self,
        key: str,
        default: str | None = None,
        *,
        limit: int = limits.MAX_TEXT_CHARACTERS,
        control: bool = False,
    ) -> str:
        """Return the non-empty text at `key`; without a default the key is required.

        `control` allows control characters, a newline between pairs for one.
        """
        value = self._take(key)
        if value is _MISSING:
            if default is None:
                self.refuse(key, "is missing; it is required")
            return default
        text = self._checked_text(key, value, limit, control=control)
        if not text and default is None:
            self.refuse(key, "is empty; give it a value")
        return text

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """Return the text at `key`, which must be one of `allowed`."""
        value = self.text(key, default)
        if value not in allowed:
            self.refuse(key, f"is {value[:80]!r}; it must be one of {', '.join(allowed)}")
        return value

    def whole(self, key: str, bounds: tuple[int, int], default: int | None = None) -> int:
        """Return the whole number at `key` within `bounds` (both included)."""
        value = self._take(key)
        if value is _MISSING:
            if default is None:
                self.refuse(key, "is missing; it is required")
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            self.refuse(key, f"must be a whole number, not {_kind(value)}")
        if not bounds[0] <= value <= bounds[1]:
            self.refuse(key, f"is {value}; it must lie between {bounds[0]} and {bounds[1]}")
        return value

    def number(self, key: str, bounds: tuple[float, float]) -> float:
        """Return the number at `key`, which is required, within `bounds` (both included)."""
        value = self._take(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(key, "must be a number" if value is not _MISSING else "is missing")
        if not bounds[0] <= value <= bounds[1]:
            self.refuse(key, f"is {value}; it must lie between {bounds[0]:g} and {bounds[1]:g}")
        return float(value)

    def flag(self, key: str) -> bool:
        """Return the boolean at `key`; false where it is absent."""
        value = self._take(key)
        if value is _MISSING:
            return False
        if not isinstance(value, bool):
            self.refuse(key, f"must be true or false, not {_kind(value)}")
        return value

    def _list(self, key: str, most: int = limits.MAX_ENTRIES) -> list[Any]:
        value = self._take(key)
        if value is _MISSING:
            return []
        if not isinstance(value, list):
            self.refuse(key, f"must be a list, not {_kind(value)}")
        if len(value) > most:
            self.refuse(key, f"has {len(value)} entries; at most {most} are allowed")
        return value

    def texts(self, key: str, most: int = limits.MAX_ENTRIES) -> tuple[str, ...]:
        """Return the list of at most `most` texts at `key`; empty where it is absent."""
        return tuple(
            self._checked_text(f"{key}[{index}]", value, limits.MAX_TEXT_CHARACTERS)
            for index, value in enumerate(self._list(key, most))
        )

    def sections(self, key: str) -> Iterator["Section"]:
        """Yield the maps of the list at `key`; none where it is absent."""
        for index, value in enumerate(self._list(key)):
            yield Section(value, subject=self.subject, path=f"{self.path}.{key}[{index}]")

    def mapping(
        self,
        key: str,
        *,
        key_limit: int,
        value_limit: int = limits.MAX_TEXT_CHARACTERS,
        control: bool = False,
    ) -> Mapping[str, str]:
        """Return the map from text to text at `key`; empty where it is absent.

        `control` allows control characters in values.
        """
        section = self.section(key)
        if section is None:
            return {}
        values = section._values
        if len(values) > limits.MAX_ENTRIES:
            self.refuse(key, f"has {len(values)} entries; at most {limits.MAX_ENTRIES} are allowed")
        read: dict[str, str] = {}
        for name, value in values.items():
            if not isinstance(name, str) or not name or len(name) > key_limit:
                section.refuse(
                    str(name)[:80], f"is not a name of 1 to {key_limit} characters; correct it"
                )
            read[name] = section._checked_text(name, value, value_limit, control=control)
        return read
