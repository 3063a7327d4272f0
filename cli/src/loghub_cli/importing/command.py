"""`loghub import`: prints the resources as YAML, and to stderr what could not be mapped and why."""

import argparse
import sys
from typing import Final

import yaml

from loghub_cli import errors
from loghub_cli.importing import documents, resources

FINE: Final = 0
NOT_ALL: Final = 1


def run(options: argparse.Namespace) -> int:
    """Translate the files; 1 where something could not be mapped.

    Raises:
        CliError: a file cannot be read or holds nothing that is known.
    """
    into = resources.Import(options.namespace or "default", options.into_project)
    documents.read(options.file, into)
    if not into.objects:
        _say(into)
        raise errors.CliError("Nothing could be mapped; the notes above say why.")
    stores = [each["spec"] for each in into.objects if each["kind"] == "LogStore"]
    if any(each["projectRef"] == {"name": into.project} for each in stores):
        into.add_project(into.project)
    order = ("LogProject", "LogStore", "LogConfig", "ClusterLogConfig")
    into.objects.sort(key=lambda each: order.index(each["kind"]))
    print("# Made by `loghub import`; look it over, then `kubectl apply -f` it.")
    for note in into.notes:
        print(f"# not mapped: {_line(note)}")
    yaml.safe_dump_all(into.objects, sys.stdout, sort_keys=False, width=100, allow_unicode=True)
    _say(into)
    return NOT_ALL if into.notes else FINE


def _say(into: resources.Import) -> None:
    for note in into.notes:
        print(f"not mapped: {_line(note)}", file=sys.stderr)
    made = f"{len(into.objects)} resources"
    print(f"{made}, {len(into.notes)} notes on what could not be mapped", file=sys.stderr)


def _line(note: resources.Note) -> str:
    """In one line, without characters that a terminal would obey."""
    text = f"{note.where}: {note.why}"
    return "".join(each if each.isprintable() else "?" for each in text)
