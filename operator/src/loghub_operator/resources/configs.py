"""LogConfig: which containers' lines go to which LogStore, and how."""

from typing import Annotated, Literal

import pydantic

from loghub_operator.resources import model, shaping


class Stdout(model.Model):
    """The containers' own output."""

    streams: list[Literal["Stdout", "Stderr"]] = pydantic.Field(
        default=["Stdout", "Stderr"], min_length=1, max_length=2
    )


FilePath = Annotated[
    str,
    pydantic.Field(
        min_length=2, max_length=1024, pattern=r"^(/([^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+))+$"
    ),
]
"""An absolute path without the names `.` and `..`."""


class Files(model.Model):
    """Files that programs write themselves, by paths with `*`, `?`, `[..]` and `**`."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            (
                "!has(self.tailBytes) || self.startAt == 'End'",
                "tailBytes needs startAt: End; set it, or remove tailBytes",
            ),
        )
    )
    paths: list[FilePath] = pydantic.Field(min_length=1, max_length=64)
    exclude: list[FilePath] = pydantic.Field(default=[], max_length=64)
    max_depth: Annotated[int, pydantic.Field(ge=0, le=100)] = pydantic.Field(
        default=10, description="Directories that one ** goes through at most."
    )
    encoding: Literal["UTF8", "GBK"] = "UTF8"
    start_at: Literal["Beginning", "End"] = pydantic.Field(
        default="Beginning",
        description="Of files that are there when they are looked for the first time.",
    )
    tail_bytes: Annotated[int, pydantic.Field(ge=0, le=1024**3)] | None = pydantic.Field(
        default=None, description="With startAt End: so much of their end is read."
    )


class ContainerFiles(Files):
    """Files inside the selected containers: in volumes or in the container's own file system."""


class NodeFiles(Files):
    """Files of every node."""


class Input(model.Model):
    """What is read."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            (
                "has(self.stdout) != has(self.containerFiles)",
                "set exactly one of stdout and containerFiles",
            )
        )
    )
    stdout: Stdout | None = None
    container_files: ContainerFiles | None = None


class ClusterInput(Input):
    """What is read, of all nodes."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            (
                "[has(self.stdout), has(self.containerFiles), has(self.nodeFiles)]"
                ".filter(given, given).size() == 1",
                "set exactly one of stdout, containerFiles and nodeFiles",
            )
        )
    )
    node_files: NodeFiles | None = None


OwnPattern = Annotated[str, pydantic.Field(min_length=1, max_length=1024)]


class OptIn(model.Model):
    """Containers that ask for a Logstore by their own keys; the operator writes it for them."""

    logstore: Annotated[str, pydantic.Field(min_length=1, max_length=63)]
    other_names: list[Annotated[str, pydantic.Field(min_length=1, max_length=63)]] = pydantic.Field(
        default=[], max_length=8, description="Names of the same Logstore that count as well."
    )
    projects: list[Annotated[str, pydantic.Field(max_length=1024)]] = pydantic.Field(
        default=[""],
        max_length=64,
        description="Spellings of the project that are meant; the empty one is none.",
    )
    via: list[Literal["Annotation", "Environment"]] = pydantic.Field(
        default=["Annotation", "Environment"],
        min_length=1,
        max_length=2,
        description="Ways of asking that count: annotations of the pod, variables of a container.",
    )
    unnamed: bool = pydantic.Field(
        default=False,
        description="Containers that ask for nothing too: a namespace's default.",
    )
    without_store: bool = pydantic.Field(
        default=False,
        description="Containers that ask for collection and name no Logstore too.",
    )
    files: list[FilePath] = pydantic.Field(
        default=[],
        max_length=64,
        description="Only containers that ask for exactly these files; none: for their output.",
    )
    parser: Annotated[str, pydantic.Field(max_length=32)] = pydantic.Field(
        default="", description="Only containers that ask for this parser."
    )
    multiline: Annotated[str, pydantic.Field(max_length=1040)] = pydantic.Field(
        default="", description="Only containers that ask for this preset, or start:PATTERN."
    )
    include: list[OwnPattern] = pydantic.Field(
        default=[], max_length=8, description="Only containers that want lines to match these."
    )
    exclude: list[OwnPattern] = pydantic.Field(
        default=[], max_length=8, description="Only containers that want none that match these."
    )


class Selector(model.Model):
    """Which containers of the namespace; all that is given must hold, and nothing selects all."""

    pod_labels: model.LabelSelector = model.LabelSelector()
    pod_annotations: model.Labels = pydantic.Field(default={})
    container_names: list[model.Name] = pydantic.Field(default=[], max_length=64)
    exclude_container_names: list[model.Name] = pydantic.Field(default=[], max_length=64)
    opt_in: OptIn | None = None


class Multiline(model.Model):
    """Records of more than one line: a language's stack traces, pretty JSON, or by patterns."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            (
                "has(self.preset) != (has(self.start) || has(self.__continue__) || has(self.end))",
                "set either preset or some of start, continue and end",
            )
        )
    )
    preset: Literal["Java", "Python", "Go", "DotNet", "Ruby", "NodeJS", "JSON"] | None = None
    start: shaping.Pattern | None = pydantic.Field(
        default=None, description="What the first line matches."
    )
    continue_: shaping.Pattern | None = pydantic.Field(
        default=None, alias="continue", description="What further lines match."
    )
    end: shaping.Pattern | None = pydantic.Field(
        default=None, description="What the last line matches."
    )
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


class Spool(model.Model):
    """What waits on the agents' state volume while the destination takes nothing."""

    max_bytes: Annotated[int, pydantic.Field(ge=1024 * 1024, le=2**40)] = pydantic.Field(
        description="Bytes of log groups on each node, as they are sent: compressed."
    )
    when_full: Literal["Block", "DropOldest"] = pydantic.Field(
        default="Block",
        description="What gives way: reading, or what has waited longest, which is counted.",
    )


class Delivery(model.Model):
    """How log groups travel."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            (
                "self.guarantee != 'ExactlyOnce' || size(self.shardBy) == 0",
                "shardBy goes with guarantee AtLeastOnce only",
            ),
            (
                "self.guarantee != 'ExactlyOnce' || self.priority == 'Normal'",
                "priority goes with guarantee AtLeastOnce only",
            ),
        )
    )
    compression: Literal["LZ4", "ZSTD", "None"] = "LZ4"
    guarantee: Literal["AtLeastOnce", "ExactlyOnce"] = pydantic.Field(
        default="AtLeastOnce",
        description="What a kill of an agent or the service may do: repeat records, or nothing.",
    )
    spool: Spool | None = None
    max_bytes_per_second: Annotated[int, pydantic.Field(ge=0, le=2**53)] = pydantic.Field(
        default=0,
        description="Of content, on each node; what is beyond waits in its files. 0 is no limit.",
    )
    shard_by: list[Annotated[str, pydantic.Field(min_length=1, max_length=128)]] = pydantic.Field(
        default=[],
        max_length=16,
        description="Tags (__source__ is the address) and fields of records whose values choose the"
        " shard, so that what belongs together is read in order.",
    )
    priority: Literal["High", "Normal", "Low"] = pydantic.Field(
        default="Normal",
        description="Turns among the sources of one destination on a node: four times as many as"
        " the next lower one.",
    )


class Sample(model.Model):
    """A record as the containers write it, and fields that must become of it."""

    line: Annotated[str, pydantic.Field(min_length=1, max_length=4096)] = pydantic.Field(
        description="Of a record of several lines: all of them."
    )
    expect: Annotated[
        dict[str, Annotated[str, pydantic.Field(max_length=4096)]], pydantic.Field(max_length=64)
    ] = pydantic.Field(
        default={}, description="Field to value; __time__ is the time in Unix seconds."
    )


class LogConfigSpec(model.Model):
    """The spec of a LogConfig."""

    log_store_ref: model.Reference
    mode: Literal["Collect", "Preview", "Paused"] = pydantic.Field(
        default="Collect",
        description="Preview shows in status what would be taken, and ships nothing; Paused reads "
        "nothing. Both keep the places in files, and Collect goes on from there.",
    )
    service_account_name: model.Name = pydantic.Field(
        default="default",
        description="Of the same namespace: who must be allowed to collect into the LogStore "
        "where the release asks for that right.",
    )
    input: Input
    selector: Selector = Selector()
    multiline: Multiline | None = None
    parser: shaping.Parser | None = None
    time: shaping.Time | None = None
    on_parse_error: Literal["KeepRaw", "Drop"] = pydantic.Field(
        default="KeepRaw",
        description="A line that cannot be parsed: arrives as __raw_log__, or is dropped.",
    )
    keep_raw: bool = pydantic.Field(
        default=False, description="Parsed records have their line too, as __raw__."
    )
    processors: shaping.Processors = pydantic.Field(default=[])
    tags: Tags = Tags()
    delivery: Delivery = Delivery()
    samples: list[Sample] = pydantic.Field(
        default=[],
        max_length=20,
        description="Judged by the agents' own parser: what differs makes the form invalid.",
    )
