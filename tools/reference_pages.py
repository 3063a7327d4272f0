"""The reference of the documents, made from the programs: command lines, metrics, errors, reasons.

Called by `docs_site` at each build. Texts are the programs' own; only their form is made here.
"""

import argparse
import pathlib
import re
from collections.abc import Iterator
from typing import Final

import prometheus_client

from loghub_agent import cli as agent_cli
from loghub_agent import metrics as agent_metrics
from loghub_cli import command_line
from loghub_ingest import cli as ingest_cli
from loghub_ingest import telemetry as ingest_metrics
from loghub_operator import cli as operator_cli
from loghub_operator import reasons
from loghub_operator import running as operator_metrics
from slswire import errors

_COUNTER: Final = re.compile(r'counter_of\(\s*"(\w+)",\s*"([^"]*)"|Counter\("(\w+)", "([^"]*)"')
_GAUGE: Final = re.compile(r'gauge_of\(\s*"(\w+)",\s*"([^"]*)"|Gauge\(\s*"(\w+)",\s*"([^"]*)"')


def pages() -> dict[str, str]:
    """Name below docs/reference/ to text."""
    return {
        "cli.md": _cli(),
        "settings.md": _settings(),
        "metrics.md": _metrics(),
        "errors.md": _errors(),
        "reasons.md": _reasons(),
    }


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The command line of each program, as it is without variables."""
    made = {
        "loghub": command_line.parser(),
        "loghub-agent": agent_cli._parser({}),
        "loghub-ingest": ingest_cli._parser({}),
        "loghub-operator": operator_cli._parser({}),
    }
    made["loghub"].prog = "kubectl loghub"
    return made


def _cli() -> str:
    text = "# kubectl loghub\n\n`loghub` alone is the same program, for machines without kubectl.\n"
    return text + _commands(parsers()["loghub"], "kubectl loghub")


def _settings() -> str:
    text = "# Settings of the programs\n\n"
    text += "Every flag can be given as the variable in its help; the flag wins.\n"
    for name, parser in parsers().items():
        if name != "loghub":
            text += f"\n# {name}\n" + _commands(parser, name)
    # One first-level heading per page: the programs are sections.
    first, _, rest = text.partition("\n")
    return first + "\n" + re.sub(r"(?m)^#", "##", rest)


def _commands(parser: argparse.ArgumentParser, name: str) -> str:
    parts = []
    for command, sub in _subparsers(parser):
        parts.append(f"\n## {name} {command}\n\n{_prose(sub.description or '')}\n")
        rows = [row for row in map(_row, sub._actions) if row]
        if rows:
            parts.append("\n| argument | meaning |\n|---|---|\n" + "".join(rows))
        deeper = _commands(sub, f"{name} {command}")
        parts.append(deeper)
    return "".join(parts)


def _subparsers(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _row(action: argparse.Action) -> str:
    hidden = argparse._HelpAction | argparse._SubParsersAction
    if isinstance(action, hidden) or action.help == argparse.SUPPRESS:
        return ""
    name = ", ".join(f"`{each}`" for each in action.option_strings)
    takes = action.metavar or (" / ".join(map(str, action.choices)) if action.choices else "")
    if isinstance(takes, tuple):
        takes = " ".join(takes)
    if not takes and action.nargs != 0:
        takes = action.dest.upper()
    shown = f"{name} `{takes}`" if name and takes else name or f"`{takes}`"
    return f"| {_cell(shown)} | {_cell(action.help or '')} |\n"


def _cell(text: str) -> str:
    return text.replace("%%", "%").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _prose(text: str) -> str:
    """A description; indented lines are examples."""
    block = re.sub(r"(?m)^  (?=\S)", "    ", text.strip())
    return block.replace("<(", "&lt;(") if "    " not in block else block


def _metrics() -> str:
    text = "# Metrics\n\nOn `/metrics` of each program's admin port (8081 in the chart).\n"
    rows = {"loghub-agent": sorted(_agent_metrics())}
    for name, module in (("loghub-ingest", ingest_metrics), ("loghub-operator", operator_metrics)):
        rows[name] = sorted(_registered(module))
    for name, lines in rows.items():
        text += f"\n## {name}\n\n| series | kind | meaning |\n|---|---|---|\n"
        text += "".join(f"| `{s}` | {kind} | {about} |\n" for s, kind, about in lines)
    return text


def _registered(module: object) -> Iterator[tuple[str, str, str]]:
    kinds = prometheus_client.Counter | prometheus_client.Gauge | prometheus_client.Histogram
    for value in vars(module).values():
        if isinstance(value, kinds):
            for family in value.describe():
                labels = ", ".join(value._labelnames)
                end = "_total" if family.type == "counter" else ""
                name = f"{family.name}{end}" + (f"{{{labels}}}" if labels else "")
                yield name, family.type, family.documentation


def _agent_metrics() -> Iterator[tuple[str, str, str]]:
    """The agent makes its families at a scrape; their names and texts stand in one module."""
    by_pipeline = agent_metrics._PIPELINE_COUNTERS.values()
    for name, about in by_pipeline:
        yield f"{name}_total{{pipeline}}", "counter", about
    for name, about in agent_metrics._BY_REASON.values():
        yield f"{name}_total{{pipeline, reason}}", "counter", about
    for name, about in agent_metrics._PIPELINE_GAUGES.values():
        yield f"{name}{{pipeline}}", "gauge", about
    source = pathlib.Path(agent_metrics.__file__).read_text(encoding="utf-8")
    for found in _COUNTER.finditer(source):
        name, about = (each for each in found.groups() if each is not None)
        yield f"{name}_total", "counter", about
    for found in _GAUGE.finditer(source):
        name, about = (each for each in found.groups() if each is not None)
        yield name, "gauge", about


def _errors() -> str:
    text = "# Error codes of the service\n\n"
    text += "An answer that is no success has `errorCode` and `errorMessage` in its body, and\n"
    text += "`x-log-requestid` in its head.\n\n| code | HTTP status | message |\n|---|---|---|\n"
    for code, (status, message) in sorted(errors.CATALOGUE.items()):
        shown = _cell(re.sub(r"\{(\w+)\}", r"<\1>", message).replace("<detail>", "(what is wrong)"))
        text += f"| `{code}` | {status} | {shown} |\n"
    return text


def _reasons() -> str:
    text = "# Reasons of conditions and events\n\n"
    text += "The whole list; scripts and health checks may rely on the words.\n\n"
    text += "| reason | meaning |\n|---|---|\n"
    return text + "".join(f"| `{name}` | {about} |\n" for name, about in reasons.ABOUT.items())
