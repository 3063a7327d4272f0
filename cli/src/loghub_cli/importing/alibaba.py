"""AliyunLogConfig and ClusterAliyunPipelineConfig, Alibaba Cloud's own resources, to ours.

Fields and their meaning: the vendor's pages on its two resources and on the plug-ins' parameters.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from loghub_cli.importing import resources

Document = dict[str, Any]

_STORE: Final = {
    "ttl": "retentionDays",
    "hotTtl": "hotRetentionDays",
    "infrequentAccessTTL": "infrequentAccessDays",
    "shardCount": "shardCount",
    "autoSplit": "autoSplit",
    "maxSplitShard": "maxShardCount",
    "enableTracking": "webTracking",
    "appendMeta": "appendClientMeta",
    "meteringMode": "meteringMode",
}
_LEGACY: Final = {
    "lifeCycle": "ttl",
    "shardCount": "shardCount",
    "logstoreMode": "queryMode",
    "logstoreMaxSplitShard": "maxSplitShard",
    "logstoreAutoSplit": "autoSplit",
    "logstoreHotTTL": "hotTtl",
    "logstoreTelemetryType": "telemetryType",
    "logstoreAppendMeta": "appendMeta",
    "logstoreEnableTracking": "enableTracking",
    "logstoreEncryptConf": "encryptConf",
    "logstoreMeteringMode": "meteringMode",
}
"""Names of the old resource to those of the new one."""

_FILTERS: Final = {
    "K8sNamespaceRegex",
    "K8sPodRegex",
    "K8sContainerRegex",
    "IncludeK8sLabel",
    "ExcludeK8sLabel",
    "IncludeEnv",
    "ExcludeEnv",
    "IncludeContainerLabel",
    "ExcludeContainerLabel",
    "IncludeLabel",
    "ExcludeLabel",
}
_LEGACY_FILTERS: Final = {
    "dockerIncludeLabel": "IncludeContainerLabel",
    "dockerExcludeLabel": "ExcludeContainerLabel",
    "dockerIncludeEnv": "IncludeEnv",
    "dockerExcludeEnv": "ExcludeEnv",
}
_NAMESPACE: Final = "io.kubernetes.pod.namespace"
_CONTAINER: Final = "io.kubernetes.container.name"
"""Labels that the kubelet gives every container."""
_READ: Final = ("input_container_stdio", "input_file")


def pipeline_config(found: Document, into: resources.Import) -> None:
    """Translate a ClusterAliyunPipelineConfig."""
    name, spec = found["metadata"]["name"], found.get("spec") or {}
    where = f"ClusterAliyunPipelineConfig {name}"
    project = _project(spec.get("project") or {}, where, into)
    config = spec.get("config") or {}
    stores = {str(each["name"]): each for each in spec.get("logstores") or []}
    flusher = (config.get("flushers") or [{}])[0]
    target = str(flusher.get("Logstore") or next(iter(stores), ""))
    if not target:
        into.note(f"{where}: spec.config.flushers", "names no Logstore: nothing is made of it")
        return
    for store in {**stores, target: stores.get(target) or {}}:
        _store(store, stores.get(store) or {}, project, resources.Place(into, where))
    _ignored(spec, ("machineGroups", "enableUpgradeOverride"), where, into)
    _ignored(config, ("aggregators", "global"), f"{where}: spec.config", into)
    made = _inputs(config.get("inputs") or [], f"{where}: spec.config", into)
    if made is None:
        return
    for number, each in enumerate(config.get("processors") or []):
        _processor(each, made, f"{where}: spec.config.processors[{number}]", into)
    _config(name, made, target, into)


def log_config(found: Document, into: resources.Import) -> None:
    """Translate an AliyunLogConfig."""
    name, spec = found["metadata"]["name"], found.get("spec") or {}
    where = f"AliyunLogConfig {name}"
    project = _project({"name": spec.get("project", "")}, where, into)
    store = str(spec.get("logstore") or name)
    modern = {new: spec[old] for old, new in _LEGACY.items() if old in spec}
    _store(store, modern, project, resources.Place(into, where))
    _ignored(spec, ("machineGroups", "uid", "endpoint", "configTags"), where, into)
    config = spec.get("logtailConfig") or {}
    detail = config.get("inputDetail") or {}
    at = f"{where}: spec.logtailConfig"
    plugin = detail.get("plugin") or {}
    processors = [
        {"Type": each.get("type", "")} | (each.get("detail") or {})
        for each in plugin.get("processors") or []
    ]
    if config.get("inputType") == "file":
        inputs, own = [_legacy_files(detail)], _legacy_parser(detail)
        processors = own + processors
    else:
        kinds = [str(each.get("type", "")) for each in plugin.get("inputs") or []]
        if kinds != ["service_docker_stdout"]:
            why = f"{kinds or 'none'}: only container stdout and files are read"
            into.note(f"{at}.inputDetail.plugin.inputs", why)
            return
        inputs = [{"Type": _READ[0]} | _modern(plugin["inputs"][0])]
    made = _inputs(inputs, at, into)
    if made is None:
        return
    for number, each in enumerate(processors):
        _processor(each, made, f"{at}.inputDetail: processor {number}", into)
    _config(str(config.get("configName") or name), made, store, into)


def _legacy_files(detail: Document) -> Document:
    """Files by a folder and a pattern, at any depth below it."""
    folder = str(detail.get("logPath") or "/").rstrip("/")
    made: Document = {
        "Type": _READ[1],
        "FilePaths": [f"{folder}/**/{detail.get('filePattern') or '*'}"],
        "EnableContainerDiscovery": bool(detail.get("dockerFile")),
        "ContainerFilters": dict((detail.get("advanced") or {}).get("k8s") or {}),
    }
    for theirs, ours in _LEGACY_FILTERS.items():
        if detail.get(theirs):
            made["ContainerFilters"][ours] = detail[theirs]
    for theirs, ours in (("maxDepth", "MaxDirSearchDepth"), ("fileEncoding", "FileEncoding")):
        if theirs in detail:
            made[ours] = detail[theirs]
    begin = str(detail.get("logBeginRegex") or ".*")
    if begin != ".*":
        made["Multiline"] = {"Mode": "custom", "StartPattern": begin}
    return made


def _legacy_parser(detail: Document) -> list[Document]:
    """The parser of a logType, in the words of the new plug-ins."""
    keys, found = detail.get("key") or [], list[Document]()
    match detail.get("logType"):
        case "json_log":
            found.append({"Type": "processor_parse_json_native"})
        case "delimiter_log":
            quoted = {"Separator": detail.get("separator"), "Quote": detail.get("quote")}
            found.append({"Type": "processor_parse_delimiter_native", "Keys": keys, **quoted})
        case "common_reg_log" if detail.get("regex") not in {None, "(.*)"}:
            pattern = {"Regex": detail["regex"], "Keys": keys}
            found.append({"Type": "processor_parse_regex_native", **pattern})
        case _:
            pass
    if detail.get("timeFormat"):
        key = detail.get("timeKey") or "time"
        form = {"SourceKey": key, "SourceFormat": detail["timeFormat"]}
        found.append({"Type": "processor_parse_timestamp_native", **form})
    return found


def _modern(found: Document) -> Document:
    """The old plug-in's detail in the words of the new one."""
    detail = dict(found.get("detail") or {})
    made: Document = {}
    for stream in ("Stdout", "Stderr"):
        if detail.pop(stream, True) is False:
            made[f"Ignoring{stream}"] = True
    if "BeginLineRegex" in detail:
        made["Multiline"] = {"Mode": "custom", "StartPattern": detail.pop("BeginLineRegex")}
    for key in ("ExternalK8sLabelTag", "ExternalEnvTag"):
        if key in detail:
            made[key] = detail.pop(key)
    made["ContainerFilters"] = {key: detail.pop(key) for key in list(detail) if key in _FILTERS}
    return made | detail


def _project(found: Document, where: str, into: resources.Import) -> str:
    name = str(found.get("name") or "")
    for key in ("endpoint", "uid", "description"):
        if found.get(key):
            into.note(f"{where}: spec.project.{key}", "say it in the LogProject's spec.service")
    return into.add_project(name) if name else into.project


def _store(store: str, found: Document, project: str, place: resources.Place) -> None:
    into, at = place.into, f"{place.where}: logstore {store}"
    spec: Document = {"projectRef": {"name": project}}
    spec |= {ours: found[theirs] for theirs, ours in _STORE.items() if theirs in found}
    mode = str(found.get("queryMode") or found.get("mode") or "")
    if mode.lower() == "query":
        spec["mode"] = "Query"
    if found.get("telemetryType") == "Metrics":
        spec["telemetryType"] = "Metrics"
    _ignored(found, ("encryptConf", "index"), at, into)
    into.add_store(store, spec)


def _config(name: str, made: Document, store: str, into: resources.Import) -> None:
    """A LogConfig where one namespace is meant, a ClusterLogConfig for several or all."""
    reference = {"name": resources.name_of(store)}
    if "nodeFiles" in made["input"]:
        made.pop("selector", None)
    namespaces = made.get("selector", {}).pop("namespaces", {})
    if made.get("selector") == {}:
        del made["selector"]
    if namespaces == {"names": [into.namespace]}:
        into.add_config(name, {"logStoreRef": reference, **made})
        return
    if namespaces:
        made["selector"] = {"namespaces": namespaces, **made.get("selector", {})}
    reference["namespace"] = into.namespace
    into.add_cluster_config(name, {"logStoreRef": reference, **made})


def _inputs(inputs: list[Document], where: str, into: resources.Import) -> Document | None:
    kinds = [str(each.get("Type")) for each in inputs]
    if len(kinds) != 1 or kinds[0] not in _READ:
        into.note(f"{where}.inputs", f"{kinds}: only container stdout and files are read")
        return None
    found, at = dict(inputs[0]), f"{where}.inputs[0]"
    found.pop("Type")
    made = _streams(found) if kinds[0] == _READ[0] else _files(found)
    made["selector"] = _selector(found.pop("ContainerFilters", None) or {}, at, into)
    if lines := _multiline(found.pop("Multiline", None) or {}, at, into):
        made["multiline"] = lines
    if labels := found.pop("ExternalK8sLabelTag", None):
        made["tags"] = {"podLabels": dict(labels)}
    if found.pop("KeepingSourceWhenParseFail", True) is False:
        made["onParseError"] = "Drop"
    if (seconds := found.pop("FlushTimeoutSecs", None)) and "multiline" in made:
        made["multiline"]["flushAfter"] = f"{int(seconds)}s"
    for key in found:
        into.note(f"{at}.{key}", "has no counterpart")
    return made


def _streams(found: Document) -> Document:
    ignored = {each for each in ("Stdout", "Stderr") if found.pop(f"Ignoring{each}", False)}
    kept = [each for each in ("Stdout", "Stderr") if each not in ignored]
    return {"input": {"stdout": {"streams": kept} if ignored else {}}}


def _files(found: Document) -> Document:
    """Files of containers, or of nodes where containers are not looked for."""
    paths = [str(each) for each in found.pop("FilePaths", None) or []]
    made: Document = {"paths": paths}
    depth = found.pop("MaxDirSearchDepth", None)
    if depth is not None and any("**" in each for each in paths):
        made["maxDepth"] = min(max(int(depth), 0), 100)
    if excluded := found.pop("ExcludeFilePaths", None):
        made["exclude"] = [str(each) for each in excluded]
    if str(found.pop("FileEncoding", "utf8")).lower() == "gbk":
        made["encoding"] = "GBK"
    if kilobytes := found.pop("TailSizeKB", None):
        made |= {"startAt": "End", "tailBytes": int(kilobytes) * 1024}
    inside = found.pop("EnableContainerDiscovery", False)
    return {"input": {"containerFiles" if inside else "nodeFiles": made}}


def _selector(found: Document, where: str, into: resources.Import) -> Document:
    made: Document = {}
    rest = dict(found)
    at = f"{where}.ContainerFilters"
    for short in ("IncludeLabel", "ExcludeLabel"):
        if short in rest:
            rest[short.replace("Label", "ContainerLabel")] = rest.pop(short)
    _by_container_labels(rest, made, at, into)
    if pattern := str(rest.pop("K8sNamespaceRegex", "")):
        _namespaces(pattern, made, resources.Place(into, f"{at}.K8sNamespaceRegex"))
    if pattern := str(rest.pop("K8sContainerRegex", "")):
        if names := resources.exact(pattern):
            made["containerNames"] = names
        else:
            into.widened(f"{at}.K8sContainerRegex", f"{pattern!r}: containers are chosen by name")
    if labels := _labels(rest, at, into):
        made["podLabels"] = labels
    for key in (key for key in rest if rest[key]):
        into.widened(f"{at}.{key}", "pods are chosen by labels and annotations, containers by name")
    return made


def _namespaces(pattern: str, made: Document, place: resources.Place) -> None:
    names, like = resources.exact(pattern), resources.glob(pattern)
    if name := resources.plain(pattern):
        names = [name]
        place.note(f"{name!r} is taken as the name; theirs takes all that contain it")
    if names or like:
        made["namespaces"] = {"names": names} if names else {"patterns": [like]}
    else:
        place.widened(f"{pattern!r}: only names and NAME* are known")


def _by_container_labels(
    rest: Document, made: Document, where: str, into: resources.Import
) -> None:
    """Container labels that the kubelet gives are namespaces and names; no other is known here."""
    for key, ours, spaces in (
        ("IncludeContainerLabel", "containerNames", "names"),
        ("ExcludeContainerLabel", "excludeContainerNames", "exclude"),
    ):
        for label, value in dict(rest.pop(key, None) or {}).items():
            text = str(value)
            values = resources.exact(text) if text.startswith("^") else [text]
            if not all(values) or label not in {_NAMESPACE, _CONTAINER}:
                into.widened(f"{where}.{key}: {label}", "labels of containers are not known here")
            elif label == _CONTAINER:
                made.setdefault(ours, []).extend(values)
            else:
                made.setdefault("namespaces", {}).setdefault(spaces, []).extend(values)


def _labels(rest: Document, where: str, into: resources.Import) -> Document:
    """Include is OR between keys there and AND here, so that more than one key is not the same."""
    include = dict(rest.pop("IncludeK8sLabel", None) or {})
    exclude = dict(rest.pop("ExcludeK8sLabel", None) or {})
    terms = []
    if len(include) > 1:
        why = "any of several labels: make one LogConfig of each"
        into.widened(f"{where}.IncludeK8sLabel", why)
        include = {}
    for labels, operator in ((include, "In"), (exclude, "NotIn")):
        for key, value in labels.items():
            # `^...$` is a pattern there, anything else a text.
            text = str(value)
            values = resources.exact(text) if text.startswith("^") else [text]
            if values:
                terms.append({"key": key, "operator": operator, "values": values})
            else:
                why = f"{value!r}: labels are compared by their value"
                into.widened(f"{where}: label {key}", why)
    return {"matchExpressions": terms} if terms else {}


def _multiline(found: Document, where: str, into: resources.Import) -> Document:
    mode = str(found.get("Mode") or "custom")
    if not found:
        return {}
    if mode == "JSON":
        return {"preset": "JSON"}
    if mode != "custom":
        into.note(f"{where}.Multiline.Mode", f"{mode!r} has no counterpart")
        return {}
    if found.get("UnmatchedContentTreatment") == "discard":
        into.note(f"{where}.Multiline.UnmatchedContentTreatment", "unmatched lines are kept here")
    names = {"StartPattern": "start", "ContinuePattern": "continue", "EndPattern": "end"}
    return {ours: found[theirs] for theirs, ours in names.items() if found.get(theirs)}


def _processor(found: Document, made: Document, where: str, into: resources.Import) -> None:
    kind = str(found.get("Type") or "")
    translate = _PROCESSORS.get(kind)
    fields = translate(found) if translate else None
    if fields is None:
        into.note(where, f"{kind or 'no type'} has no counterpart")
    elif "parser" in fields and "parser" in made:
        into.note(where, f"{kind}: a LogConfig has one parser, and there is one before it")
    else:
        regex = fields.get("parser", {}).get("regex")
        if regex and "multiline" in made:
            # Theirs lets `.` match line breaks.
            regex["pattern"] = f"(?s){regex['pattern']}"
        processors = made.get("processors", []) + fields.pop("processors", [])
        made |= fields
        if processors:
            made["processors"] = processors


def _regex(found: Document) -> Document | None:
    pattern, keys = found.get("Regex"), found.get("Keys")
    if not pattern or not keys:
        return None
    return {"parser": {"regex": {"pattern": pattern, "keys": list(keys)}}}


def _json(_: Document) -> Document | None:
    return {"parser": {"json": {}}}


def _delimiter(found: Document) -> Document | None:
    if not found.get("Separator") or not found.get("Keys"):
        return None
    quote = {"quote": found["Quote"]} if found.get("Quote") else {}
    separated = {"separator": found["Separator"], **quote, "keys": list(found["Keys"])}
    return {"parser": {"delimiter": separated}}


def _timestamp(found: Document) -> Document | None:
    key, form = found.get("SourceKey"), found.get("SourceFormat") or found.get("Format")
    if not key or not form:
        return None
    zone = str(found.get("SourceTimezone") or "").removeprefix("GMT")
    return {"time": {"key": key, "format": form} | ({"timezone": zone} if zone else {})}


def _filter(found: Document) -> Document | None:
    keys, patterns = found.get("FilterKey") or [], found.get("FilterRegex") or []
    include = dict(zip(keys, patterns, strict=False)) | dict(found.get("Include") or {})
    exclude = found.get("Exclude") or {}
    chosen = ({"include": include} if include else {}) | ({"exclude": exclude} if exclude else {})
    return {"processors": [{"filter": chosen}]} if chosen else None


def _mask(found: Document) -> Document | None:
    """What stands between a beginning and the end of its value; ours masks the first group."""
    before = found.get("ContentPatternBeforeReplacedString") or found.get("RegexBegin") or ""
    content = found.get("ReplacedContentPattern") or found.get("RegexContent")
    key, method = found.get("SourceKey"), str(found.get("Method") or "const").lower()
    if not key or not content or method not in {"const", "md5"}:
        return None
    mask: Document = {"key": key, "pattern": f"{before}({content})"}
    if method == "md5":
        mask["with"] = "MD5"
    elif text := found.get("ReplacingString") or found.get("ReplaceString"):
        mask["replacement"] = str(text)
    return {"processors": [{"mask": mask}]}


def _drop(found: Document) -> Document | None:
    keys = list(found.get("DropKeys") or [])
    return {"processors": [{"remove": keys}]} if keys else None


def _rename(found: Document) -> Document | None:
    old, new = found.get("SourceKeys") or [], found.get("DestKeys") or []
    if not old or len(old) != len(new):
        return None
    return {"processors": [{"rename": dict(zip(old, new, strict=True))}]}


def _add(found: Document) -> Document | None:
    fields = found.get("Fields") or {}
    return {"processors": [{"add": {key: str(v) for key, v in fields.items()}}]} if fields else None


_PROCESSORS: Final[Mapping[str, Callable[[Document], Document | None]]] = {
    "processor_parse_regex_native": _regex,
    "processor_regex": _regex,
    "processor_parse_json_native": _json,
    "processor_json": _json,
    "processor_parse_delimiter_native": _delimiter,
    "processor_parse_timestamp_native": _timestamp,
    "processor_strptime": _timestamp,
    "processor_desensitize_native": _mask,
    "processor_desensitize": _mask,
    "processor_filter_regex_native": _filter,
    "processor_filter_regex": _filter,
    "processor_drop": _drop,
    "processor_rename": _rename,
    "processor_add_fields": _add,
}


def _ignored(
    found: Mapping[str, Any], keys: tuple[str, ...], where: str, into: resources.Import
) -> None:
    reasons = {
        "machineGroups": "agents are chosen by CollectionAgent",
        "index": "write the fields into the LogStore's spec.index",
        "encryptConf": "write it into the LogStore's spec.encryption",
    }
    for key in keys:
        if found.get(key):
            into.note(f"{where}: {key}", reasons.get(key, "has no counterpart"))
