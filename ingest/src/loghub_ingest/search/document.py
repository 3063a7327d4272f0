"""The Logstore's index document: which fields are searched, and how their values compare.

`line` is the full-text index; `keys` are fields with rules of their own, of type text, long,
double or json. Documents are kept as clients sent them, so everything is read with care here.
`planning` asks for a field by the name a query uses.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

DELIMITERS: Final = ", '\";=()[]{}?@&<>/:\n\t\r"
"""The service's default tokens of an index."""

MAX_KEYS: Final = 500
"""Fields of one index document; the service's own limit is below it."""

RESERVED: Final = frozenset({"__source__", "__topic__", "__time__"})
"""Always searchable, as are tags."""

TAG: Final = "__tag__:"


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """How text is cut into words."""

    delimiters: str = DELIMITERS
    case: bool = False
    chn: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """A field of the index; `json_keys` are typed paths within a field of type json."""

    name: str
    kind: str
    rules: Rules
    alias: str = ""
    doc_value: bool = True
    index_all: bool = True
    json_keys: Mapping[str, "Key"] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a query's field is: a record's key, a path within its JSON, and how it compares."""

    key: str
    path: tuple[str, ...]
    kind: str
    rules: Rules


@dataclasses.dataclass(frozen=True, slots=True)
class Index:
    """A whole document."""

    line: Rules | None
    include: frozenset[str]
    exclude: frozenset[str]
    keys: Mapping[str, Key]

    def find(self, name: str) -> Place | None:
        """Where the field that a query names is; None when it is not searchable."""
        found = self.keys.get(name) or next(
            (key for key in self.keys.values() if key.alias and key.alias == name), None
        )
        if found is not None:
            kind = "text" if found.kind == "json" else found.kind
            return Place(found.name, (), kind, found.rules)
        if name in RESERVED or name.startswith(TAG):
            kind = "long" if name == "__time__" else "text"
            return Place(name, (), kind, self.line or Rules())
        return self._within_json(name) or (
            None if self.line is None else Place(name, (), "text", self.line)
        )

    def _within_json(self, name: str) -> Place | None:
        parts = name.split(".")
        for count in range(len(parts) - 1, 0, -1):
            root = self.keys.get(".".join(parts[:count]))
            if root is None or root.kind != "json":
                continue
            path = tuple(parts[count:])
            typed = root.json_keys.get(".".join(path))
            if typed is not None:
                return Place(root.name, path, typed.kind, root.rules)
            if root.index_all:
                return Place(root.name, path, "text", root.rules)
        return None


def read(found: Mapping[str, Any]) -> Index:
    """The index in a document, as lenient as the service is."""
    line = found.get("line")
    given = found.get("keys")
    keys = given if isinstance(given, dict) else {}
    bounded = list(keys.items())[:MAX_KEYS]
    return Index(
        line=_rules(line) if isinstance(line, dict) else None,
        include=_names(line, "include_keys"),
        exclude=_names(line, "exclude_keys"),
        keys={name: _key(name, each) for name, each in bounded if isinstance(each, dict)},
    )


def _names(line: Any, what: str) -> frozenset[str]:
    found = line.get(what) if isinstance(line, dict) else None
    return frozenset(str(each) for each in found) if isinstance(found, list) else frozenset()


def _rules(found: Mapping[str, Any]) -> Rules:
    tokens = found.get("token")
    delimiters = "".join(map(str, tokens)) if isinstance(tokens, list) else DELIMITERS
    return Rules(delimiters, bool(found.get("caseSensitive")), bool(found.get("chn")))


def _key(name: str, found: Mapping[str, Any]) -> Key:
    kind = str(found.get("type") or "text").lower()
    given = found.get("json_keys")
    inner = given if isinstance(given, dict) else {}
    return Key(
        name=name,
        kind=kind if kind in {"text", "long", "double", "json"} else "text",
        rules=_rules(found),
        alias=str(found.get("alias") or ""),
        doc_value=bool(found.get("doc_value", True)),
        index_all=bool(found.get("index_all", True)),
        json_keys={
            path: _key(path, each) for path, each in inner.items() if isinstance(each, dict)
        },
    )
