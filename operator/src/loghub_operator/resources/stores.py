"""LogStore: a Logstore of a project, its retention, shards and index."""

from typing import Annotated, Any, Final, Literal

import pydantic

from loghub_operator.resources import model

DELIMITERS = ", '\";=()[]{}?@&<>/:\n\t\r"
"""The service's own default."""

_BY_NAME: Final[dict[str, Any]] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
}
"""The API server refuses a name twice, and two appliers can own a field each."""

_RETENTION: Final = "(has(self.retentionDays) ? self.retentionDays : 30)"


class FullText(model.Model):
    """How whole records are searched."""

    delimiters: Annotated[str, pydantic.Field(max_length=128)] = pydantic.Field(
        default=DELIMITERS, description="Characters between words."
    )
    case_sensitive: bool = False
    chinese: bool = pydantic.Field(default=False, description="Split Chinese text into words.")


class JsonPath(model.Model):
    """A typed path within a JSON field."""

    name: model.Name = pydantic.Field(description="Members, joined by dots.")
    type: Literal["Text", "Long", "Double"] = "Text"
    alias: Annotated[str, pydantic.Field(max_length=128)] = ""
    statistics: bool = True


class IndexField(model.Model):
    """One field that can be searched and counted by its name."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            (
                "!has(self.paths) || (has(self.type) && self.type == 'JSON')",
                "paths go with type: JSON only",
            )
        )
    )
    name: model.Name
    type: Literal["Text", "Long", "Double", "JSON"] = "Text"
    alias: Annotated[str, pydantic.Field(max_length=128)] = pydantic.Field(
        default="", description="Another name for it in SQL."
    )
    statistics: bool = pydantic.Field(default=True, description="Usable in SQL.")
    delimiters: Annotated[str, pydantic.Field(max_length=128)] = pydantic.Field(
        default=DELIMITERS, description="Characters between words; of Text and JSON."
    )
    case_sensitive: bool = False
    chinese: bool = False
    paths: list[JsonPath] = pydantic.Field(
        default=[], max_length=100, json_schema_extra=_BY_NAME, description="Of a JSON field."
    )


class Index(model.Model):
    """What of the records can be searched."""

    full_text: FullText = FullText()
    fields: list[IndexField] = pydantic.Field(
        default=[], max_length=200, json_schema_extra=_BY_NAME
    )


class UserKey(model.Model):
    """A key of the cloud's key service."""

    key_id: Annotated[str, pydantic.Field(min_length=1, max_length=128)]
    arn: Annotated[str, pydantic.Field(min_length=1, max_length=256)]
    region: Annotated[str, pydantic.Field(min_length=1, max_length=64)]


class Encryption(model.Model):
    """Encryption at rest, by the cloud. The bundled service leaves it to its volume."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            (
                "has(self.type) == has(oldSelf.type) && "
                "(!has(self.type) || self.type == oldSelf.type)",
                "type is immutable: a Logstore keeps the cipher that it was made with",
            ),
            (
                "has(self.userKey) == has(oldSelf.userKey) && "
                "(!has(self.userKey) || self.userKey == oldSelf.userKey)",
                "userKey is immutable: a Logstore keeps the key that it was made with",
            ),
        )
    )
    enabled: bool = True
    type: Literal["Default", "SM4"] = "Default"
    user_key: UserKey | None = pydantic.Field(
        default=None, description="A key of your own; by default the service's."
    )


class LogStoreSpec(model.Model):
    """The spec of a LogStore."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            ("self.projectRef == oldSelf.projectRef", "projectRef is immutable"),
            (
                "has(self.logStoreName) == has(oldSelf.logStoreName)",
                "logStoreName is immutable: a Logstore cannot be renamed",
            ),
            (
                "(has(self.telemetryType) ? self.telemetryType : 'Logs') == "
                "(has(oldSelf.telemetryType) ? oldSelf.telemetryType : 'Logs')",
                "telemetryType is immutable: make another LogStore",
            ),
            (
                "!has(self.hotRetentionDays) || self.hotRetentionDays == 0 || "
                f"self.hotRetentionDays <= {_RETENTION}",
                "hotRetentionDays must be 0 (everything stays hot) or 7 to retentionDays",
            ),
            (
                "!has(self.infrequentAccessDays) || self.infrequentAccessDays == 0 || "
                f"self.infrequentAccessDays <= {_RETENTION}",
                "infrequentAccessDays must be 0 (none) or 30 to retentionDays",
            ),
            (
                "!has(self.shardCount) || self.shardCount <= "
                "(has(self.maxShardCount) ? self.maxShardCount : 64)",
                "shardCount must not exceed maxShardCount (64 where it is not given)",
            ),
            (
                "!has(oldSelf.encryption) || has(self.encryption)",
                "encryption cannot be taken away: set encryption.enabled to false",
            ),
        )
    )
    project_ref: model.Reference
    log_store_name: model.LogStoreName | None = pydantic.Field(
        default=None, description="Name in the project; by default the object's."
    )
    telemetry_type: Literal["Logs", "Metrics"] = "Logs"
    retention_days: Annotated[int, pydantic.Field(ge=1, le=3650)] = pydantic.Field(
        default=30, description="3650 keeps for ever."
    )
    hot_retention_days: Annotated[
        int,
        pydantic.Field(
            ge=0,
            le=3650,
            json_schema_extra=model.rules(
                ("self == 0 || self >= 7", "must be 0 (everything stays hot) or at least 7")
            ),
        ),
    ] = pydantic.Field(default=0, description="Days in the fast tier; 0: all of them.")
    infrequent_access_days: Annotated[
        int,
        pydantic.Field(
            ge=0,
            le=3650,
            json_schema_extra=model.rules(
                ("self == 0 || self >= 30", "must be 0 (none) or at least 30")
            ),
        ),
    ] = pydantic.Field(default=0, description="Days in the cheap tier; 0: not held.")
    shard_count: Annotated[int, pydantic.Field(ge=1, le=100)] | None = pydantic.Field(
        default=None,
        description="Shards that are written to; rises by split, falls by merge. Where it is not "
        "given a new Logstore has 2, and their number is left alone. With autoSplit it is the "
        "least number.",
    )
    auto_split: bool = pydantic.Field(
        default=False, description="The service splits busy shards by itself."
    )
    max_shard_count: Annotated[int, pydantic.Field(ge=1, le=256)] = pydantic.Field(
        default=64, description="How far autoSplit goes."
    )
    mode: Literal["Standard", "Query"] = pydantic.Field(
        default="Standard", description="Query: cheaper in the cloud, without SQL."
    )
    web_tracking: bool = pydantic.Field(
        default=False, description="Anybody may write without a key: for browsers and apps."
    )
    append_client_meta: bool = pydantic.Field(
        default=False, description="Records get the client's address and the time of receipt."
    )
    metering_mode: Literal["ChargeByFunction", "ChargeByDataIngest"] | None = pydantic.Field(
        default=None, description="How the cloud bills; not held where it is not given."
    )
    encryption: Encryption | None = None
    index: Index = Index()
    deletion_policy: model.DeletionPolicy = "Retain"
    adoption_policy: model.AdoptionPolicy = "Adopt"
