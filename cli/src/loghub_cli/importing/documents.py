"""The files of an import: what each is, and which translator takes it."""

import pathlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

import yaml

from loghub_cli import errors
from loghub_cli.importing import alibaba, fluentbit, promtail, resources

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of one file: thousands of objects; more is no configuration."""

_CLASSIC: Final = ("[SERVICE]", "[INPUT]", "[FILTER]", "[OUTPUT]", "[PARSER]")


_SHAPES: Final = (KeyError, TypeError, AttributeError, ValueError)
"""What a text does where a mapping should stand; translators read the documented shapes."""


def read(names: Iterable[str], into: resources.Import) -> None:
    """Translate every file; `-` is the standard input.

    Raises:
        CliError: a file cannot be read, or nothing in it is known.
    """
    sections: list[fluentbit.Section] = []
    for name in names:
        text = _text(name)
        before = (len(into.objects), len(into.notes), len(sections))
        try:
            sections += _one(name, text, into)
        except _SHAPES as fault:
            raise errors.CliError(
                f"{name}: a field has another shape than its kind gives it ({fault!r})."
            ) from fault
        if (len(into.objects), len(into.notes), len(sections)) == before:
            raise errors.CliError(
                f"{name} holds nothing that can be imported: AliyunLogConfig, "
                "ClusterAliyunPipelineConfig, or a configuration of Fluent Bit or Promtail "
                "(alone, or in a ConfigMap)."
            )
    if sections:
        fluentbit.translate(sections, into)


def _text(name: str) -> str:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with pathlib.Path(name).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise errors.CliError(f"{name} is larger than {MAX_BYTES} bytes.")
        return data.decode()
    except (OSError, UnicodeDecodeError) as fault:
        raise errors.CliError(f"{name} cannot be read: {fault}") from fault


def _one(name: str, text: str, into: resources.Import) -> list[fluentbit.Section]:
    if any(line.strip().upper() in _CLASSIC for line in text.splitlines()):
        try:
            documents = _documents(text)
        except yaml.YAMLError:
            documents = []
        if not any("kind" in each for each in documents):
            return list(fluentbit.classic(text))
    else:
        try:
            documents = _documents(text)
        except yaml.YAMLError as fault:
            raise errors.CliError(f"{name} is no YAML: {fault}") from fault
    return [each for found in documents for each in _document(found, into)]


def _documents(text: str) -> list[dict[str, Any]]:
    found = [each for each in yaml.safe_load_all(text) if isinstance(each, dict)]
    return [inner for each in found for inner in (each.get("items") or [each])]


def _document(found: dict[str, Any], into: resources.Import) -> Iterator[fluentbit.Section]:
    match found.get("kind"):
        case "AliyunLogConfig":
            alibaba.log_config(found, into)
        case "ClusterAliyunPipelineConfig":
            alibaba.pipeline_config(found, into)
        case "ConfigMap" | "Secret":
            for text in (found.get("data") or {}).values():
                yield from _inner(str(text), into)
            for text in (found.get("stringData") or {}).values():
                yield from _inner(str(text), into)
        case None if "scrape_configs" in found:
            promtail.translate(found, into)
        case None if "pipeline" in found or "parsers" in found:
            yield from fluentbit.modern(found)
        case _:
            pass


def _inner(text: str, into: resources.Import) -> Iterator[fluentbit.Section]:
    """A file within a ConfigMap; one that is nothing of ours is passed over, as scripts are."""
    if any(line.strip().upper() in _CLASSIC for line in text.splitlines()):
        yield from fluentbit.classic(text)
        return
    try:
        documents = _documents(text)
    except yaml.YAMLError:
        return
    for found in documents:
        if "kind" not in found:
            yield from _document(found, into)
