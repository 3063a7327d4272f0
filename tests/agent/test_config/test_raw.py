"""The strict reading of a LogPipeline spec: what passes, and what a refusal says."""

import copy

import pytest

from loghub_agent import errors
from loghub_agent.config import inputs, raw

SUBJECT = "LogPipeline loghub-system/shop-orders"
GOOD = {
    "version": 1,
    "origin": {
        "kind": "LogConfig",
        "namespace": "shop",
        "name": "orders",
        "uid": "u",
        "generation": 3,
    },
    "destination": {
        "endpoint": "http://loghub-ingest.loghub-system.svc:80",
        "project": "shop-project",
        "logstore": "orders",
        "projectIn": "Header",
        "signature": "V4",
        "region": "loghub",
        "compression": "LZ4",
        "credentialsSecret": "loghub-key-shop",
    },
    "select": {
        "namespaces": ["shop"],
        "podLabels": {
            "matchLabels": {"app": "shop"},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": ["web", "api"]}],
        },
        "podAnnotations": {"loghub.dev/logstore": "orders"},
        "containerNames": [],
        "excludeContainerNames": ["istio-proxy"],
    },
    "input": {"stdout": {"streams": ["Stdout", "Stderr"]}},
    "multiline": {"start": r"^\d{4}-", "flushAfter": "5s", "maxBytes": 524288},
    "tags": {"static": {"team": "shop"}, "podLabels": {"app": "_app_"}},
}
REMOVED = object()


def changed(path, value):
    spec = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    place = spec
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    if value is REMOVED:
        del place[last]
    else:
        place[last] = value
    return spec


def test_complete_document_is_read():
    spec = raw.read(GOOD, subject=SUBJECT)
    assert spec.destination.logstore == "orders"
    assert spec.select.namespaces == ("shop",)
    assert [requirement.key for requirement in spec.select.pod_labels.requirements] == [
        "app",
        "tier",
    ]
    assert spec.input == inputs.Input(streams=("Stdout", "Stderr"))
    assert spec.multiline == raw.Multiline("", r"^\d{4}-", "", "", "5s", 524288)
    assert spec.label_tags == {"app": "_app_"}


@pytest.mark.parametrize("path", ["select", "multiline", "tags", "origin", "select.podLabels"])
@pytest.mark.parametrize("value", [REMOVED, None], ids=["absent", "null"])
def test_optional_section_may_be_missing(path, value):
    raw.read(changed(path, value), subject=SUBJECT)


@pytest.mark.parametrize(
    ("path", "value", "field", "hint"),
    [
        ("extra", 1, "spec.extra", "is not a field this agent knows"),
        ("destination.prox", "p", "spec.destination.prox", "correct the spelling"),
        ("select.podLabels.matchLabel", {}, "spec.select.podLabels.matchLabel", "known here"),
        ("input.stdout.stream", [], "spec.input.stdout.stream", "is not a field"),
        ("input.files", {}, "spec.input.files", "is not a field"),
        ("input.nodeFiles", {"paths": ["/a"]}, "spec.input", "exactly one of stdout, c"),
        ("input", {"nodeFiles": {}}, "spec.input.nodeFiles.paths", "name at least one file"),
        ("input", {"nodeFiles": {"paths": ["a"]}}, "spec.input.nodeFiles.paths[0]", "absolute"),
        ("input", {"nodeFiles": {"paths": ["/a/../b"]}}, "spec.input.nodeFiles.paths[0]", ".."),
        ("input", {"nodeFiles": {"paths": ["/a"], "exclude": ["b"]}},
         "spec.input.nodeFiles.exclude[0]", "absolute"),
        ("input", {"nodeFiles": {"paths": ["/a"] * 65}}, "spec.input.nodeFiles.paths", "at most"),
        ("input", {"nodeFiles": {"paths": ["/a"], "maxDepth": 101}},
         "spec.input.nodeFiles.maxDepth", "between 0 and 100"),
        ("input", {"nodeFiles": {"paths": ["/a"], "encoding": "gbk"}},
         "spec.input.nodeFiles.encoding", "UTF8, GBK"),
        ("input", {"nodeFiles": {"paths": ["/a"], "tailBytes": 1}},
         "spec.input.nodeFiles.tailBytes", "startAt: End"),
        ("multiline.ends", "x", "spec.multiline.ends", "is not a field"),
        ("tags.env", {}, "spec.tags.env", "is not a field"),
        ("origin.extra", "x", "spec.origin.extra", "is not a field"),
        ("version", 2, "spec.version", "update the agents"),
        ("version", REMOVED, "spec.version", "is required"),
        ("version", True, "spec.version", "whole number, not a boolean"),
        ("destination", REMOVED, "spec.destination", "is required"),
        ("destination", [], "spec.destination", "must be a map, not a list"),
        ("destination.endpoint", 80, "spec.destination.endpoint", "must be text"),
        ("destination.logstore", "", "spec.destination.logstore", "is empty"),
        ("destination.project", "a\nb", "spec.destination.project", "control character"),
        ("destination.signature", "V2", "spec.destination.signature", "V1, V4"),
        ("destination.projectIn", "Path", "spec.destination.projectIn", "Header, Host"),
        ("destination.region", REMOVED, "spec.destination.region", "name it"),
        ("destination.compression", "GZIP", "spec.destination.compression", "LZ4, ZSTD, None"),
        ("select.namespaces", "shop", "spec.select.namespaces", "must be a list"),
        ("select.namespaces", [1], "spec.select.namespaces[0]", "must be text"),
        ("select.namespaces", ["x"] * 10_001, "spec.select.namespaces", "at most 10000"),
        ("select.podAnnotations", {"a": "v" * 1025}, "spec.select.podAnnotations.a", "1024"),
        ("select.podLabels.matchExpressions.0.operator", "Gt",
         "spec.select.podLabels.matchExpressions[0].operator", "In, NotIn"),
        ("select.podLabels.matchExpressions.0.values", [],
         "spec.select.podLabels.matchExpressions[0].values", "at least one value"),
        ("select.podLabels.matchExpressions.0.operator", "Exists",
         "spec.select.podLabels.matchExpressions[0].values", "must be empty"),
        ("input", {}, "spec.input", "has nothing; it must have exactly one"),
        ("input.stdout.streams", ["stdout"], "spec.input.stdout.streams[0]", "Stdout or Stderr"),
        ("multiline.start", REMOVED, "spec.multiline", "either preset or some of"),
        ("multiline.preset", "Java", "spec.multiline", "either preset or some of"),
        ("multiline.preset", "Cobol", "spec.multiline.preset", "must be one of"),
        ("multiline.maxBytes", 0, "spec.multiline.maxBytes", "between 1 and"),
        ("multiline.maxBytes", "1", "spec.multiline.maxBytes", "whole number, not text"),
        ("tags.static", {"": "x"}, "spec.tags.static", "1 to 128 characters"),
        ("tags.static", {"k": 1}, "spec.tags.static.k", "put it in quotes"),
    ],
)  # fmt: skip
def test_faulty_document_is_refused_with_object_field_and_way_out(path, value, field, hint):
    with pytest.raises(errors.RefusedError) as caught:
        raw.read(changed(path, value), subject=SUBJECT)
    sentence = str(caught.value)
    assert sentence.startswith(f"{SUBJECT}: {field}")
    assert hint in sentence


@pytest.mark.parametrize("document", [None, [], "text", 7])
def test_spec_that_is_no_map_is_refused(document):
    with pytest.raises(errors.RefusedError, match="spec must be a map"):
        raw.read(document, subject=SUBJECT)


def test_files_of_the_node_are_read_with_their_defaults():
    files = {"nodeFiles": {"paths": ["/var/log/*.log"], "startAt": "End", "tailBytes": 9}}
    spec = raw.read(changed("input", files), subject=SUBJECT)
    assert spec.input == inputs.Input(
        files=inputs.Files(
            of_node=True,
            paths=("/var/log/*.log",),
            exclude=(),
            max_depth=10,
            encoding="UTF8",
            tail_bytes=9,
        )
    )
