"""Promtail's Kubernetes configuration to ClusterLogConfigs: one for each scrape config.

Stages and relabelling: Promtail's own manual.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from loghub_cli.importing import resources

Document = dict[str, Any]

_META: Final = "__meta_kubernetes_"
_POD_LABEL: Final = f"{_META}pod_label_"
_TIMES: Final = {
    "RFC3339": "%Y-%m-%dT%H:%M:%S%z",
    "RFC3339Nano": "%Y-%m-%dT%H:%M:%S.%f%z",
    "Unix": "%s",
    "UnixMs": "%s",
    "UnixUs": "%s",
    "UnixNs": "%s",
}
_LAYOUT: Final = (
    ("2006", "%Y"),
    ("Jan", "%b"),
    ("01", "%m"),
    ("02", "%d"),
    ("15", "%H"),
    ("04", "%M"),
    ("05", "%S"),
    ("-07:00", "%z"),
    ("Z07:00", "%z"),
    ("-0700", "%z"),
)
"""Go's reference time, piece by piece."""


def translate(document: Document, into: resources.Import) -> None:
    """Add what a Promtail configuration says to the import."""
    for key in ("clients", "server", "positions", "limits_config"):
        if document.get(key):
            into.note(key, "settings of the collector; lines go to the LogStore of their job")
    for each in document.get("scrape_configs") or []:
        _job(each, into)


def _job(found: Document, into: resources.Import) -> None:
    job = str(found.get("job_name") or "promtail")
    where = f"scrape config {job}"
    if not found.get("kubernetes_sd_configs"):
        into.note(where, "only pods (kubernetes_sd_configs) are collected here")
        return
    made: Document = {"input": {"stdout": {}}}
    selector: Document = {}
    for number, each in enumerate(found.get("relabel_configs") or []):
        place = resources.Place(into, f"{where}: relabel_configs[{number}]")
        _relabel(each, selector, made, place)
    if selector:
        made["selector"] = selector
    for number, each in enumerate(found.get("pipeline_stages") or []):
        for kind, stage in each.items():
            place = resources.Place(into, f"{where}: pipeline_stages[{number}].{kind}")
            _stage(str(kind), stage or {}, made, place)
    store = into.add_store(resources.name_of(job), {"projectRef": {"name": into.project}})
    reference = {"name": store, "namespace": into.namespace}
    into.add_cluster_config(job, {"logStoreRef": reference, **made})


def _relabel(found: Document, selector: Document, made: Document, place: resources.Place) -> None:
    sources = list(found.get("source_labels") or [])
    action = str(found.get("action") or "replace")
    if action in {"keep", "drop"} and len(sources) == 1:
        _choose(found, keep=action == "keep", selector=selector, place=place)
    elif action == "replace" and len(sources) == 1:
        _tag(str(sources[0]), str(found.get("target_label") or ""), made, place)
    elif action == "labelmap":
        place.note("name the pod labels that are to be tags in spec.tags.podLabels")
    elif not str(found.get("target_label") or "").startswith("__"):
        place.note(f"{action} of {', '.join(sources) or 'nothing'} has no counterpart")


def _choose(found: Document, *, keep: bool, selector: Document, place: resources.Place) -> None:
    """`keep` and `drop`; Promtail anchors the pattern at both ends."""
    source, regex = str(found["source_labels"][0]), str(found.get("regex") or "")
    whole = regex if regex.startswith("^") else f"^({regex})$"
    names, like = resources.exact(whole), resources.glob(whole.replace("(", "").replace(")", ""))
    if source == f"{_META}namespace" and (names or like):
        spaces = selector.setdefault("namespaces", {})
        key = ("names" if names else "patterns") if keep else "exclude"
        spaces.setdefault(key, []).extend(names or [like])
    elif source == f"{_META}pod_container_name" and names:
        key = "containerNames" if keep else "excludeContainerNames"
        selector.setdefault(key, []).extend(names)
    elif source.startswith(_POD_LABEL) and names:
        label = source.removeprefix(_POD_LABEL)
        term = {"key": label, "operator": "In" if keep else "NotIn", "values": names}
        _guessed(label, place)
        selector.setdefault("podLabels", {}).setdefault("matchExpressions", []).append(term)
    else:
        place.widened(f"{'keep' if keep else 'drop'} by {source} =~ {regex!r} has no counterpart")


def _guessed(label: str, place: resources.Place) -> None:
    if "_" in label:
        place.note(f"is {label!r} the label's own name? Promtail writes _ for / . and -")


def _tag(source: str, target: str, made: Document, place: resources.Place) -> None:
    if source.startswith(_POD_LABEL) and target:
        label = source.removeprefix(_POD_LABEL)
        made.setdefault("tags", {}).setdefault("podLabels", {})[label] = target
        _guessed(label, place)
    elif not source.startswith((_META, "__")):
        place.note(f"{source} to {target} has no counterpart")
    # Namespace, pod, container and node are tags of every record here.


def _stage(kind: str, stage: Mapping[str, Any], made: Document, place: resources.Place) -> None:
    match kind:
        case "cri" | "docker" | "labels" | "labelallow":
            # The runtime's format is known; every field is indexed as the LogStore says.
            pass
        case "json" | "logfmt" | "regex":
            _parser(kind, stage, made, place)
        case "timestamp":
            _time(stage, made, place)
        case "multiline":
            lines = {"start": str(stage.get("firstline") or "")}
            if wait := stage.get("max_wait_time"):
                lines["flushAfter"] = str(wait)
            made["multiline"] = lines
        case "drop":
            _drop(stage, made, place)
        case "static_labels":
            static = made.setdefault("tags", {}).setdefault("static", {})
            static |= {str(key): str(value) for key, value in stage.items()}
        case "labeldrop":
            _process(made, {"remove": [str(each) for each in stage]})
        case _:
            place.note("has no counterpart")


def _parser(kind: str, stage: Mapping[str, Any], made: Document, place: resources.Place) -> None:
    if "parser" in made:
        place.note("a LogConfig has one parser, and there is one before it")
        return
    if kind == "regex":
        # Theirs is found anywhere in the line, ours matches the whole.
        expression = str(stage.get("expression") or "")
        front = "" if expression.startswith("^") else ".*?"
        made["parser"] = {"regex": {"pattern": f"(?s){front}{expression}.*"}}
        return
    made["parser"] = {"json": {}} if kind == "json" else {"keyValue": {}}
    renamed = {}
    for new, old in (stage.get("expressions") or stage.get("mapping") or {}).items():
        if old and not re.fullmatch(r"\w+", str(old)):
            why = f"{old!r}: raise parser.json.maxDepth, then fields are called by their path"
            place.at(f": {new}").note(why)
        elif old and old != new:
            renamed[str(old)] = str(new)
    if renamed:
        _process(made, {"rename": renamed})


def _time(stage: Mapping[str, Any], made: Document, place: resources.Place) -> None:
    layout = str(stage.get("format") or "")
    form = _TIMES.get(layout)
    if form is None:
        form = re.sub(r"\.[09]+", ".%f", layout)
        for piece, directive in _LAYOUT:
            form = form.replace(piece, directive)
        if re.search(r"\d|[A-Z]{3}", form.replace("%", "")):
            place.at(".format").note(f"{layout!r}: write spec.time.format by hand")
            return
    found = {"key": str(stage.get("source") or "time"), "format": form}
    if zone := stage.get("location"):
        found["timezone"] = str(zone)
    made["time"] = found


def _drop(stage: Mapping[str, Any], made: Document, place: resources.Place) -> None:
    source, pattern = stage.get("source"), stage.get("expression")
    if value := stage.get("value"):
        pattern = f"^{re.escape(str(value))}$"
    more = {"older_than", "longer_than"} & set(stage)
    if not pattern or isinstance(source, list) or more:
        # All of a stage's conditions must hold there: one alone would drop more.
        place.note("only an expression or value alone, of one source or the line, is known")
        return
    _process(made, {"filter": {"exclude": {str(source or "content"): str(pattern)}}})


def _process(made: Document, processor: Document) -> None:
    made.setdefault("processors", []).append(processor)
