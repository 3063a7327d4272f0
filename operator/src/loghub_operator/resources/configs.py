"""LogConfig: which containers' lines go to which LogStore, and how."""

from typing import Annotated, Final, Literal

import pydantic

from loghub_operator.resources import model

PRESETS: Final = {
    "Java": r"^(\d{4}[-/]\d{2}[-/]\d{2}|\[|\d{2}:\d{2}:\d{2}|[A-Z][a-z]{2} \d{1,2},)",
    "Python": r"^(\d{4}-\d{2}-\d{2}|[A-Z]+[: ]|Traceback \(most recent call last\))",
    "Go": r"^(\d{4}/\d{2}/\d{2}|\{|[IWEF]\d{4} |level=|time=|panic: )",
}
"""What the first line of a record looks like, by language."""


class Stdout(model.Model):
    """The containers' own output."""

    streams: list[Literal["Stdout", "Stderr"]] = pydantic.Field(
        default=["Stdout", "Stderr"], min_length=1, max_length=2
    )


class Input(model.Model):
    """What is read."""

    stdout: Stdout


class Selector(model.Model):
    """Which containers of the namespace; all that is given must hold, and nothing selects all."""

    pod_labels: model.LabelSelector = model.LabelSelector()
    pod_annotations: model.Labels = pydantic.Field(default={})
    container_names: list[model.Name] = pydantic.Field(default=[], max_length=64)
    exclude_container_names: list[model.Name] = pydantic.Field(default=[], max_length=64)


class Multiline(model.Model):
    """Records of more than one line."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            ("has(self.preset) != has(self.start)", "set exactly one of preset and start")
        )
    )
    preset: Literal["Java", "Python", "Go"] | None = None
    start: Annotated[str, pydantic.Field(min_length=1, max_length=1024)] | None = None
    flush_after: Annotated[
        str, pydantic.Field(max_length=16, pattern=r"^[0-9]+(\.[0-9]+)?(ms|s|m)$")
    ] = "5s"
    max_bytes: Annotated[int, pydantic.Field(ge=1024, le=1024 * 1024)] = 512 * 1024


class Tags(model.Model):
    """Tags beside the default ones."""

    static: model.Labels = pydantic.Field(default={})
    pod_labels: model.Labels = pydantic.Field(
        default={}, description="Pod label to the name of its tag."
    )


class Delivery(model.Model):
    """How log groups travel."""

    compression: Literal["LZ4", "None"] = "LZ4"


class LogConfigSpec(model.Model):
    """The spec of a LogConfig."""

    log_store_ref: model.Reference
    input: Input
    selector: Selector = Selector()
    multiline: Multiline | None = None
    tags: Tags = Tags()
    delivery: Delivery = Delivery()
