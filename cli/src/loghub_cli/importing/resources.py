"""What an import makes: resources of ours, and notes on what could not be mapped and why.

The translators fill an `Import`; names of theirs become names that Kubernetes takes.
"""

import dataclasses
import re
from typing import Any, Final

API_VERSION: Final = "loghub.dev/v1alpha1"
MAX_NAME: Final = 63

Document = dict[str, Any]

_ORDER: Final = (
    *("logStoreRef", "mode", "input", "selector", "multiline", "parser", "onParseError"),
    *("time", "processors", "tags"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """Something of the source that has no counterpart."""

    where: str
    """The object and field, as its owner would look for it."""
    why: str


@dataclasses.dataclass(slots=True)
class Import:
    """Resources in the order of their making, and notes."""

    namespace: str
    """Of the made objects, where the source does not say one."""
    project: str
    """The LogProject that stores belong to, where the source does not say one."""
    objects: list[Document] = dataclasses.field(default_factory=list)
    notes: list[Note] = dataclasses.field(default_factory=list)
    wide: bool = False
    """Whether the config that is being made takes more than its source."""

    def widened(self, where: str, why: str) -> None:
        """Say that a choice of containers is left out: the config collects nothing by itself."""
        self.note(where, f"{why}; without it more is taken: made with mode Preview")
        self.wide = True

    def note(self, where: str, why: str) -> None:
        """Say that something is left out."""
        self.notes.append(Note(where, why))

    def add_project(self, project: str, namespace: str = "") -> str:
        """The LogProject of a remote project; its name."""
        spec: Document = {"service": {"bundled": {}}}
        name = name_of(project)
        if name != project:
            spec["projectName"] = project
        return self._add("LogProject", name, namespace or self.namespace, spec)

    def add_store(self, store: str, spec: Document, namespace: str = "") -> str:
        """The LogStore of a Logstore; its name."""
        name = name_of(store)
        if name != store:
            spec = spec | {"logStoreName": store}
        return self._add("LogStore", name, namespace or self.namespace, spec)

    def add_config(self, name: str, spec: Document, namespace: str = "") -> str:
        """A LogConfig."""
        return self._add("LogConfig", name_of(name), namespace or self.namespace, self._of(spec))

    def add_cluster_config(self, name: str, spec: Document) -> str:
        """A ClusterLogConfig, whose LogStore is of the import's namespace."""
        return self._add("ClusterLogConfig", name_of(name), "", self._of(spec))

    def _of(self, spec: Document) -> Document:
        """The spec in the order in which a person writes one."""
        if self.wide:
            spec = spec | {"mode": "Preview"}
        self.wide = False
        known = [key for key in _ORDER if key in spec]
        return {key: spec[key] for key in (*known, *(key for key in spec if key not in _ORDER))}

    def _add(self, kind: str, name: str, namespace: str, spec: Document) -> str:
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        made = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
        for there in self.objects:
            if (there["kind"], there["metadata"]) == (kind, metadata):
                if kind in {"LogConfig", "ClusterLogConfig"}:
                    self.note(f"{kind} {name}", "two sources have this name: rename one")
                return name
        self.objects.append(made)
        return name


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where in the source a translator is, and the import it fills."""

    into: Import
    where: str

    def at(self, more: str) -> "Place":
        """A place below this one."""
        return Place(self.into, f"{self.where}{more}")

    def note(self, why: str) -> None:
        """Say that what is here is left out."""
        self.into.note(self.where, why)

    def widened(self, why: str) -> None:
        """Say that a choice of containers that is here is left out."""
        self.into.widened(self.where, why)


def name_of(text: str) -> str:
    """A name that Kubernetes takes, as near to `text` as can be."""
    found = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")
    return found[:MAX_NAME].rstrip("-") or "imported"


_WORD: Final = r"(?:[A-Za-z0-9_-]|\\\.)+"
_LIST: Final = re.compile(rf"\^(?:\((?:\?:)?({_WORD}(?:\|{_WORD})*)\)|({_WORD}))\$")
_PREFIX: Final = re.compile(r"\^([a-z0-9-]+)(?:\.\*)?\$?")


def exact(pattern: str) -> list[str]:
    """The texts that an anchored pattern means where it is a plain list: `^(a|b)$`; else none."""
    found = _LIST.fullmatch(pattern)
    texts = (found.group(1) or found.group(2)) if found else ""
    return texts.replace("\\.", ".").split("|") if texts else []


def plain(pattern: str) -> str:
    """The pattern itself where it is a name; it means every text that contains it."""
    return pattern if re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", pattern) else ""


def glob(pattern: str) -> str:
    """The pattern with `*` that means the same as `^shop-.*$`; empty where there is none."""
    found = _PREFIX.fullmatch(pattern)
    plain = found is not None and pattern.endswith("$") and ".*" not in pattern
    return f"{found.group(1)}*" if found and not plain else ""
