"""The definitions, rendered from the models. `loghub-operator crds` prints them."""

import copy
import dataclasses
from typing import Any, Final

import pydantic

from loghub_operator.resources import agents, cluster_configs, configs, model, projects, stores

Schema = dict[str, Any]

_READY: Final = '.status.conditions[?(@.type=="Ready")]'
_OPEN: Final[Schema] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """One kind: names, the model of its spec, columns and rules of the whole object."""

    name: str
    plural: str
    short: str
    about: str
    spec: type[pydantic.BaseModel] | None = None
    namespaced: bool = True
    columns: tuple[tuple[str, str, str] | tuple[str, str, str, int], ...] = ()
    """Name, type and path; a priority of 1 leaves a column to `-o wide`."""
    rules: tuple[tuple[str, str], ...] = ()


_AGE: Final = ("Age", "date", ".metadata.creationTimestamp")
_STATE: Final = (
    ("Ready", "string", f"{_READY}.status"),
    ("Reason", "string", f"{_READY}.reason"),
)

_COLLECTED: Final = (
    ("Pods", "integer", ".status.matched.pods"),
    ("Nodes", "string", ".status.agents.summary"),
    ("Lines", "integer", ".status.lines"),
    ("Lag", "integer", ".status.lagSeconds"),
    ("Last", "date", ".status.lastLogTime"),
    ("Mode", "string", ".spec.mode", 1),
    ("Bytes", "integer", ".status.bytes", 1),
    ("Lost", "integer", ".status.lostTotal", 1),
)

KINDS: Final = (
    Kind(
        "LogProject", "logprojects", "lp",
        "A project of a log service, and who may use it.",
        projects.LogProjectSpec,
        columns=(("Project", "string", ".status.projectName"), *_STATE, _AGE),
        rules=(
            (
                "(has(self.spec) && has(self.spec.projectName)) || "
                f"self.metadata.name.matches('{model.PROJECT_PATTERN}')",
                "metadata.name is no project name (3 to 63 of a-z, 0-9 and '-'): set "
                "spec.projectName",
            ),
        ),
    ),
    Kind(
        "LogStore", "logstores", "lgs",
        "A Logstore of a project: its retention, shards and index.",
        stores.LogStoreSpec,
        columns=(
            ("Project", "string", ".spec.projectRef.name"),
            ("Retention", "integer", ".spec.retentionDays"),
            *_STATE,
            _AGE,
        ),
        rules=(
            (
                "has(self.spec.logStoreName) || "
                f"self.metadata.name.matches('{model.LOGSTORE_PATTERN}')",
                "metadata.name is no Logstore name (3 to 63 of a-z, 0-9, '-' and '_'): set "
                "spec.logStoreName",
            ),
        ),
    ),
    Kind(
        "LogConfig", "logconfigs", "lcfg",
        "Which containers' lines go to which LogStore, and how.",
        configs.LogConfigSpec,
        columns=(
            ("Store", "string", ".spec.logStoreRef.name"),
            *_COLLECTED,
            *_STATE,
            _AGE,
        ),
    ),
    Kind(
        "ClusterLogConfig", "clusterlogconfigs", "clcfg",
        "Which containers' lines of which namespaces go to which LogStore, and how.",
        cluster_configs.ClusterLogConfigSpec,
        namespaced=False,
        columns=(
            ("Store", "string", ".spec.logStoreRef.name"),
            ("In", "string", ".spec.logStoreRef.namespace"),
            *_COLLECTED,
            *_STATE,
            _AGE,
        ),
    ),
    Kind(
        "CollectionAgent", "collectionagents", "cagent",
        "One DaemonSet of agents and how its pods are made.",
        agents.CollectionAgentSpec,
        namespaced=False,
        columns=(
            ("Desired", "integer", ".status.desired"),
            ("Available", "integer", ".status.available"),
            *_STATE,
            _AGE,
        ),
    ),
    Kind(
        "LogPipeline", "logpipelines", "lpl",
        "Internal: one resolved pipeline, written by the operator for the agents.",
        columns=(
            ("Origin", "string", ".spec.origin.name"),
            ("In", "string", ".spec.origin.namespace"),
            ("Logstore", "string", ".spec.destination.logstore"),
            _AGE,
        ),
    ),
    Kind(
        "AgentReport", "agentreports", "areport",
        "Internal: what one node's agent runs and sees, written by the agent.",
        columns=(
            ("Pool", "string", ".report.agent.pool"),
            ("Version", "string", ".report.agent.version"),
            _AGE,
        ),
    ),
)  # fmt: skip


def definition(kind: Kind) -> Schema:
    """The CustomResourceDefinition of one kind."""
    version = {
        "name": model.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _whole(kind)},
        "additionalPrinterColumns": [
            dict(zip(("name", "type", "jsonPath", "priority"), column, strict=False))
            for column in kind.columns
        ],
    }
    if kind.spec is not None:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{model.GROUP}"},
        "spec": {
            "group": model.GROUP,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {
                "kind": kind.name,
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short],
                "categories": ["loghub"],
            },
            "versions": [version],
        },
    }


def _whole(kind: Kind) -> Schema:
    properties: Schema = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    }
    whole: Schema = {"type": "object", "description": kind.about, "properties": properties}
    if kind.spec is None:
        # Versioned documents of programs: the reader refuses what it does not know.
        properties["report" if kind.name == "AgentReport" else "spec"] = copy.deepcopy(_OPEN)
        return whole
    properties["spec"] = _structural(kind.spec.model_json_schema(by_alias=True))
    properties["status"] = copy.deepcopy(_OPEN)
    if any(field.is_required() for field in kind.spec.model_fields.values()):
        whole["required"] = ["spec"]
    if kind.rules:
        whole |= model.rules(*kind.rules)
    return whole


def _structural(schema: Schema) -> Schema:
    definitions = schema.pop("$defs", {})
    return _plain(schema, definitions)


def _plain(schema: Schema, definitions: Schema) -> Schema:
    """Inline references, drop what a structural schema may not hold."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        beside = {key: value for key, value in schema.items() if key not in {"$ref", "default"}}
        return _plain(copy.deepcopy(target) | beside, definitions)
    if "anyOf" in schema and not schema.get("x-kubernetes-int-or-string"):
        (only,) = [each for each in schema["anyOf"] if each.get("type") != "null"]
        beside = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
        return _plain(copy.deepcopy(only) | beside, definitions)
    dropped = {"title", "default", "additionalProperties", "anyOf", "const"}
    plain = {key: value for key, value in schema.items() if key not in dropped}
    if "properties" in plain:
        plain["properties"] = {
            key: _plain(value, definitions) for key, value in plain["properties"].items()
        }
    if isinstance(plain.get("items"), dict):
        plain["items"] = _plain(plain["items"], definitions)
    values = schema.get("additionalProperties")
    if isinstance(values, dict) and not plain.get("x-kubernetes-preserve-unknown-fields"):
        plain["additionalProperties"] = _plain(values, definitions)
    return plain
