"""Fluent Bit's usual Kubernetes configuration, classic or YAML, to ClusterLogConfigs.

Each `tail` of container logs is one, with the filters that match its tag; where its lines go is the
LogStore of its tag. Section and key names: Fluent Bit's own manual.
"""

import dataclasses
import fnmatch
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from loghub_cli.importing import resources

Document = dict[str, Any]

_SECTION: Final = re.compile(r"\[([A-Za-z_]+)\]")
_CONTAINERS: Final = re.compile(r"/var/log/containers/(.+)\.log")
_ON: Final = frozenset(("on", "true", "yes"))
_KINDS: Final = {"inputs": "INPUT", "filters": "FILTER", "outputs": "OUTPUT"}
_PRESETS: Final = {"java": "Java", "python": "Python", "go": "Go", "ruby": "Ruby"}
_RUNTIMES: Final = frozenset(("cri", "docker"))
_OF_TAILING: Final = frozenset(
    ("name", "path", "tag", "exclude_path", "multiline.parser", "parser", "alias")
)


@dataclasses.dataclass(frozen=True, slots=True)
class Section:
    """One section: its kind (`INPUT`), and its keys in small letters with all their values."""

    kind: str
    keys: Mapping[str, tuple[str, ...]]

    def one(self, key: str, default: str = "") -> str:
        """The last value of a key."""
        return (self.keys.get(key) or (default,))[-1]

    def on(self, key: str) -> bool:
        """Whether a switch is on."""
        return self.one(key).lower() in _ON


def classic(text: str) -> Iterator[Section]:
    """The sections of a classic file."""
    kind, keys = "", dict[str, list[str]]()
    for line in text.splitlines():
        bare = line.strip()
        if bare.lower().startswith("@include "):
            yield Section("INCLUDE", {"path": (bare.split(None, 1)[1],)})
        if not bare or bare.startswith(("#", "@")):
            continue
        if found := _SECTION.fullmatch(bare):
            yield from _section(kind, keys)
            kind, keys = found.group(1).upper(), {}
        else:
            key, _, value = bare.partition(" ")
            keys.setdefault(key.lower(), []).append(value.strip())
    yield from _section(kind, keys)


def modern(document: Document) -> Iterator[Section]:
    """The sections of a YAML file."""
    for name, kind in _KINDS.items():
        for each in (document.get("pipeline") or {}).get(name) or []:
            yield from _section(kind, {str(k).lower(): _texts(v) for k, v in each.items()})
    for each in document.get("parsers") or []:
        yield from _section("PARSER", {str(k).lower(): _texts(v) for k, v in each.items()})


def _texts(value: Any) -> list[str]:
    return [str(each) for each in (value if isinstance(value, list) else [value])]


def _section(kind: str, keys: Mapping[str, list[str]]) -> Iterator[Section]:
    if kind:
        yield Section(kind, {key: tuple(values) for key, values in keys.items()})


def translate(sections: list[Section], into: resources.Import) -> None:
    """Add what the sections say to the import."""
    parsers = {each.one("name"): each for each in sections if each.kind == "PARSER"}
    filters = [each for each in sections if each.kind == "FILTER"]
    for each in sections:
        if each.kind == "INPUT":
            _input(each, filters, parsers, into)
        elif each.kind == "OUTPUT":
            where = f"[OUTPUT] {each.one('name')}"
            into.note(where, "lines go to the LogStore of their input; forward them from there")
        elif each.kind == "INCLUDE":
            into.note(f"@INCLUDE {each.one('path')}", "give the included file too, with its own -f")
        elif each.kind == "SERVICE" or each.kind.startswith("MULTILINE"):
            into.note(f"[{each.kind}]", "settings of the collector; see CollectionAgent")


def _input(
    found: Section, filters: list[Section], parsers: Mapping[str, Section], into: resources.Import
) -> None:
    kind, path = found.one("name"), found.one("path")
    paths = [each.strip() for each in path.split(",")]
    if kind != "tail" or not all(map(_CONTAINERS.fullmatch, paths)):
        into.note(f"[INPUT] {kind} {path}", "only `tail` of /var/log/containers is collected here")
        return
    tag = found.one("tag", "kube.*")
    name = resources.name_of(found.one("alias") or tag.replace("*", ""))
    where = f"[INPUT] tail {path}"
    made: Document = {"input": {"stdout": {}}}
    made["selector"] = _selector(paths, found.one("exclude_path"), where, into)
    _lines(found.one("multiline.parser") or found.one("parser"), made, where, into)
    for key in found.keys:
        if key not in _OF_TAILING and not key.startswith(("db", "mem_buf", "skip_", "refresh")):
            into.note(f"{where}: {key}", "has no counterpart")
    for each in filters:
        if _meant(each, tag):
            _filter(each, made, parsers, into)
    if not made["selector"]:
        del made["selector"]
    store = into.add_store(name, {"projectRef": {"name": into.project}})
    reference = {"name": store, "namespace": into.namespace}
    into.add_cluster_config(name, {"logStoreRef": reference, **made})


def _meant(found: Section, tag: str) -> bool:
    """Whether a filter is for the tag; `kube.*` is a tag whose `*` is the file's name."""
    return fnmatch.fnmatchcase(tag.replace("*", "x"), found.one("match", "*"))


def _selector(paths: list[str], excluded: str, where: str, into: resources.Import) -> Document:
    """Files are called `<pod>_<namespace>_<container>-<id>.log`."""
    spaces: dict[str, list[str]] = {}
    made: Document = {}
    for path in paths:
        pod, namespace, container = _parts(path)
        if pod != "*":
            into.widened(f"{where}: pod {pod}", "pods are chosen by labels: write spec.selector")
        if namespace != "*":
            key = "patterns" if "*" in namespace else "names"
            spaces.setdefault(key, []).append(namespace)
        if container != "*":
            made.setdefault("containerNames", []).append(container)
    for path in filter(None, map(str.strip, excluded.split(","))):
        pod, namespace, container = _parts(path)
        if namespace != "*":
            spaces.setdefault("exclude", []).append(namespace)
        elif container != "*":
            made.setdefault("excludeContainerNames", []).append(container)
        else:
            into.widened(f"{where}: exclude_path {path}", "pods are left out by their labels")
    return ({"namespaces": spaces} if spaces else {}) | made


def _parts(path: str) -> tuple[str, str, str]:
    """Pod, namespace and container of a path's pattern; `*` where any is meant."""
    found = _CONTAINERS.fullmatch(path)
    stem = found.group(1) if found else "*"
    pod, _, rest = stem.partition("_")
    namespace, divided, container = rest.partition("_")
    if rest and not divided and pod == "*":
        # `*_istio-proxy-*`: the first `*` is pod and namespace.
        return "*", "*", re.sub(r"-?\*$", "", rest) or "*"
    if not rest:
        return (pod.rstrip("*-") or "*"), "*", "*"
    return pod, namespace or "*", re.sub(r"-?\*$", "", container) or "*"


def _lines(names: str, made: Document, where: str, into: resources.Import) -> None:
    for name in filter(None, (each.strip().lower() for each in names.split(","))):
        preset = _PRESETS.get(name)
        if preset and made.get("multiline", {"preset": preset}) != {"preset": preset}:
            into.note(f"{where}: parser {name}", "a LogConfig has one multiline rule")
        elif preset:
            made["multiline"] = {"preset": preset}
        elif name not in _RUNTIMES:
            into.note(f"{where}: parser {name}", "write spec.multiline by its patterns")


def _filter(
    found: Section, made: Document, parsers: Mapping[str, Section], into: resources.Import
) -> None:
    kind = found.one("name")
    where = f"[FILTER] {kind}"
    match kind:
        case "kubernetes":
            # Pod, namespace and container are tags of every record here.
            if found.on("merge_log"):
                made["parser"] = {"json": {}}
        case "multiline":
            _lines(found.one("multiline.parser"), made, where, into)
        case "grep":
            _process(made, _grep(found, where, into))
        case "modify" | "record_modifier":
            for each in _modify(found, where, into):
                _process(made, each)
        case "parser":
            _parser(parsers.get(found.one("parser")), found.one("parser"), made, into)
        case _:
            into.note(where, "has no counterpart")


def _process(made: Document, processor: Document) -> None:
    if processor:
        made.setdefault("processors", []).append(processor)


def _grep(found: Section, where: str, into: resources.Import) -> Document:
    made: dict[str, dict[str, str]] = {}
    for theirs, ours in (("regex", "include"), ("exclude", "exclude")):
        for value in found.keys.get(theirs, ()):
            key, _, pattern = value.partition(" ")
            if key.startswith("$"):
                into.note(f"{where}: {key}", "Kubernetes' names are chosen by spec.selector")
            else:
                made.setdefault(ours, {})[_field(key)] = pattern.strip()
    return {"filter": made} if made else {}


def _modify(found: Section, where: str, into: resources.Import) -> Iterator[Document]:
    for key, values in found.keys.items():
        for value in values:
            old, _, new = value.partition(" ")
            match key:
                case "remove" | "remove_key":
                    yield {"remove": [_field(old)]}
                case "rename" | "hard_rename":
                    yield {"rename": {_field(old): new.strip()}}
                case "add" | "set" | "record":
                    yield {"add": {old: new.strip()}}
                case "name" | "match" | "alias":
                    pass
                case _:
                    into.note(f"{where}: {key} {value}", "has no counterpart")


def _field(name: str) -> str:
    """The line is `log` there."""
    return "content" if name == "log" else name


def _parser(found: Section | None, name: str, made: Document, into: resources.Import) -> None:
    where = f"[PARSER] {name}"
    form = found.one("format").lower() if found else ""
    if found is None or form not in {"json", "regex", "logfmt"}:
        into.note(where, f"format {form!r} has no counterpart" if found else "is not in the files")
        return
    if "parser" in made and made["parser"] != {"json": {}}:
        into.note(where, "a LogConfig has one parser, and there is one before it")
        return
    shapes: dict[str, Document] = {
        "json": {"json": {}},
        "logfmt": {"keyValue": {}},
        # Ruby's named groups, which RE2 writes with a P.
        "regex": {"regex": {"pattern": re.sub(r"\(\?<(\w)", r"(?P<\1", found.one("regex"))}},
    }
    made["parser"] = shapes[form]
    if found.one("time_key") and found.one("time_format"):
        form = found.one("time_format").replace("%L", "%f")
        made["time"] = {"key": found.one("time_key"), "format": form}
