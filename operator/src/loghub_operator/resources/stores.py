"""LogStore: a Logstore of a project, its retention, shards and index."""

from typing import Annotated

import pydantic

from loghub_operator.resources import model

DELIMITERS = ", '\";=()[]{}?@&<>/:\n\t\r"
"""The service's own default."""


class FullText(model.Model):
    """How whole records are searched."""

    delimiters: Annotated[str, pydantic.Field(max_length=128)] = DELIMITERS
    case_sensitive: bool = False


class Index(model.Model):
    """What of the records can be searched."""

    full_text: FullText = FullText()


class LogStoreSpec(model.Model):
    """The spec of a LogStore."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            ("self.projectRef == oldSelf.projectRef", "projectRef is immutable"),
            (
                "has(self.logStoreName) == has(oldSelf.logStoreName)",
                "logStoreName is immutable: a Logstore cannot be renamed",
            ),
        )
    )
    project_ref: model.Reference
    log_store_name: model.LogStoreName | None = pydantic.Field(
        default=None, description="Name in the project; by default the object's."
    )
    retention_days: Annotated[int, pydantic.Field(ge=1, le=3650)] = 30
    shard_count: Annotated[
        int,
        pydantic.Field(
            ge=1,
            le=100,
            json_schema_extra=model.rules(
                ("self == oldSelf", "is set once: splitting and merging are not supported yet")
            ),
        ),
    ] = 2
    index: Index = Index()
    deletion_policy: model.DeletionPolicy = "Retain"
    adoption_policy: model.AdoptionPolicy = "Adopt"
