"""Everything that may be typed: the commands, their arguments, and their help. `cli` runs them."""

import argparse
import os
import sys
from typing import Final

from argcomplete import completers

from loghub_cli import __version__, durations, errors, offering, reading, workloads

_ABOUT: Final = """\
Reads the lines that loghub collected. A LogStore is found by kubectl's context and namespace; with
--endpoint and --project any SLS endpoint is read directly, with LOGHUB_ACCESS_KEY_ID and
LOGHUB_ACCESS_KEY_SECRET as the key."""

_QUERY: Final = """\
QUERY is the service's own: 'error and not debug', 'status >= 500', or with SQL
'* | SELECT status, count(*) AS n GROUP BY status'."""

_STATUS: Final = """\
Exit status: 0 all of the span was searched, also where nothing was found, 1 it was not or the
service refused, 2 wrong usage."""

_COMPLETION: Final = """\
Prints the script that completes `loghub`, names of the cluster's objects included:

  bash   source <(loghub completion bash)      in ~/.bashrc
  zsh    source <(loghub completion zsh)       in ~/.zshrc, after compinit
  fish   loghub completion fish | source       in ~/.config/fish/config.fish

`kubectl loghub` needs none: kubectl 1.26 and later, with its own completion, finds
kubectl_complete-loghub on PATH, where this program is installed."""


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; `command` names what was chosen."""
    # kubectl runs plug-ins by path; what people typed is "kubectl loghub".
    plugin = os.path.basename(sys.argv[0]).startswith("kubectl-")  # noqa: PTH119 - argv is text
    program = "kubectl loghub" if plugin else "loghub"
    about = "Explains what loghub collects and why not, and reads its lines back."
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("--version", action="version", version=f"loghub {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_reading(commands)
    _add_inspecting(commands)
    _add_trying(commands)
    _add_differing(commands)
    _add_import(commands)
    _add_helping(commands)
    completion = commands.add_parser("completion", help="a script that completes at a shell's TAB")
    completion.description = _COMPLETION
    completion.formatter_class = argparse.RawDescriptionHelpFormatter
    completion.add_argument("shell", choices=["bash", "zsh", "fish"])
    return parser


def _add_reading(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    tail = commands.add_parser("tail", help="follow a LogStore", description=_ABOUT)
    _add_store(tail)
    tail.add_argument(
        "--since", metavar="SPAN", type=_span, default="1m", help="begin that long ago (default 1m)"
    )
    _add_output(tail, "text", "json", "raw")
    _add_lines(_add_place(tail))
    logs = commands.add_parser(
        "logs", help="print a span of a LogStore", description=f"{_ABOUT} {_STATUS}"
    )
    _add_store(logs)
    logs.add_argument(
        "--query", "-q", default="*", help="SLS search, for instance 'error and not debug'"
    )
    _add_output(logs, "text", "table", "json", "raw")
    _add_place(logs)
    search = commands.add_parser(
        "search", help="ask a LogStore, also with SQL", description=f"{_ABOUT} {_QUERY} {_STATUS}"
    )
    _add_store(search)
    search.add_argument("query", metavar="QUERY", help="in the service's language; '*' is all")
    _add_output(search, "table", "text", "json", "raw")
    for command in (logs, search):
        _add_ends(command)
        _add_limit(command)


def _add_output(command: argparse.ArgumentParser, *shapes: str) -> None:
    command.add_argument(
        "-o",
        "--output",
        choices=shapes,
        default=shapes[0],
        help="json: a document per line; raw: the line alone, or SQL's values between tabs "
        f"(default {shapes[0]})",
    )
    command.add_argument("--no-colour", action="store_true", help="also by NO_COLOR")


def _add_place(command: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    which = command.add_argument_group("which lines")
    pod = which.add_argument("--pod", metavar="NAME", default="", help="or its beginning: 'web-*'")
    offering.offer(pod, offering.Names("pods"))
    which.add_argument("--container", metavar="NAME", default="")
    which.add_argument("--stream", choices=["stdout", "stderr"], default="")
    return which


def _add_lines(which: "argparse._ArgumentGroup") -> None:
    for flag, word in (("include", "with"), ("exclude", "without")):
        which.add_argument(
            f"-{flag[0]}",
            f"--{flag}",
            metavar="REGEX",
            action="append",
            default=[],
            help=f"only lines {word} it; repeatable",
        )


def _add_ends(command: argparse.ArgumentParser) -> None:
    span = command.add_argument_group("which time")
    begin = span.add_mutually_exclusive_group()
    begin.add_argument("--since", metavar="SPAN", help="that long before --to (default 15m)")
    begin.add_argument(
        "--from",
        dest="begin",
        metavar="TIME",
        help="the first moment: 2026-11-25T10:00:00Z, unix seconds, or how long ago (2h)",
    )
    span.add_argument("--to", dest="end", metavar="TIME", help="the moment after (default now)")


def _span(text: str) -> int:
    try:
        return durations.seconds(text)
    except errors.UsageError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from fault


def _add_limit(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--limit",
        metavar="N",
        type=_count,
        default=100,
        help="newest records, or first rows of SQL, at the most (default 100)",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text[:9]) <= reading.MAX_RECORDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {reading.MAX_RECORDS}")
    return int(text)


def _add_inspecting(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    status = commands.add_parser(
        "status", help="the whole installation, and what to do where it is not well"
    )
    status.description = "Exit status: 0 all is well, 1 something is not, 2 wrong usage."
    explain = commands.add_parser("explain", help="why a pod's lines are collected, or why not")
    explain.description = (
        "Each annotation of the pod and each LogConfig of its namespace: what comes of it, where "
        "the lines go, and what the node's agent reports. Exit status: 0 the pod is collected "
        "and everything about it works, 1 it is not, 2 wrong usage."
    )
    kind = explain.add_argument(
        "kind",
        choices=workloads.KINDS,
        metavar="KIND",
        help="pod, or the kind of a workload, whose newest pod is explained: deployment, "
        "statefulset, daemonset, job",
    )
    offering.offer(kind, offering.Words(*workloads.OFFERED))
    name = explain.add_argument("name", metavar="NAME", help="the pod's or the workload's name")
    offering.offer(name, offering.NamesOfKind())
    _add_namespace(explain)
    matches = commands.add_parser("matches", help="the pods that a LogConfig takes, and why not")
    matches.description = (
        "Each pod of the LogConfig's namespace: which of its containers are taken and what the "
        "node's agent reports, or why it is not taken. Exit status: 0 pods are taken and "
        "everything about it works, 1 not so, 2 wrong usage."
    )
    config = matches.add_argument("name", metavar="LOGCONFIG", help="the LogConfig's name")
    offering.offer(config, offering.Names("logconfigs.loghub.dev"))
    _add_namespace(matches)
    stores = commands.add_parser("stores", help="LogStores, their state and who writes into them")
    stores.description = (
        "WRITTEN BY names LogConfigs of the namespaces looked at; -A sees all. "
        "Exit status: 0 all are ready, 1 one is not, 2 wrong usage."
    )
    span = stores.add_mutually_exclusive_group()
    _add_namespace(span)
    span.add_argument("-A", "--all-namespaces", action="store_true")
    agents = commands.add_parser("agents", help="the agent of each node and what it reports")
    agents.description = "Exit status: 0 all work, 1 one has a trouble, 2 wrong usage."
    for command in (status, explain, matches, stores, agents):
        command.add_argument("-o", "--output", choices=["text", "json"], default="text")
        _add_cluster(command)


def _add_import(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    brought = commands.add_parser(
        "import", help="other collectors' configurations as resources of this one"
    )
    brought.description = (
        "Reads AliyunLogConfig and ClusterAliyunPipelineConfig, and configurations of Fluent Bit "
        "and Promtail (alone or in a ConfigMap); prints resources, and to stderr what could not be "
        "mapped and why. Nothing is applied. Exit status: 0 all was mapped, 1 not all, 2 wrong "
        "usage."
    )
    brought.add_argument(
        "-f", "--file", action="append", required=True, help="repeatable; '-' is the standard input"
    )
    brought.add_argument("-n", "--namespace", default="", help="of what is made (default: default)")
    brought.add_argument(
        "--into-project",
        default="imported",
        metavar="NAME",
        help="LogProject where the source names none (default imported)",
    )


def _add_trying(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    test = commands.add_parser("test", help="what a LogConfig makes of sample lines")
    test.description = (
        "Joins and parses the lines as agents do, with loghub-agent on this machine or in an "
        "agent's pod. Nothing is collected or sent. Exit status: 0 every record could be parsed, 1 "
        "one could not, 2 wrong usage."
    )
    config = test.add_argument("config", metavar="CONFIG", help="a file, or a LogConfig's name")
    offering.offer(config, offering.Names("logconfigs.loghub.dev"))
    test.add_argument(
        "-f", "--file", dest="sample", required=True, help="the lines; '-' is the standard input"
    )
    test.add_argument("-o", "--output", choices=["text", "json"], default="text")
    _add_namespace(test)
    _add_cluster(test)


def _add_differing(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    diff = commands.add_parser("diff", help="what applying LogConfigs would change")
    diff.description = (
        "The specs, what the API server refuses of them, and which containers would be taken or "
        "let go. Nothing is applied. Exit status: 0 nothing would change, 1 something would or the "
        "command failed, 2 wrong usage."
    )
    diff.add_argument("-f", "--file", action="append", required=True, help="repeatable")
    diff.add_argument("-o", "--output", choices=["text", "json"], default="text")
    _add_namespace(diff)
    _add_cluster(diff)


def _add_helping(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    bundle = commands.add_parser(
        "support-bundle", help="what somebody needs who is to help, in one file, without secrets"
    )
    bundle.description = (
        "Resources, workloads, events and the newest log lines of the release as a .tar.gz. "
        "Secrets are not read; what looks like one elsewhere is removed. Look it over before you "
        "send it."
    )
    bundle.add_argument("--file", default="", help="default: loghub-support-<time>.tar.gz")
    _add_cluster(bundle)
    console = commands.add_parser("console", help="open a way to the service's web console")
    console.description = "Forwards a port of this machine and prints the address, until Ctrl-C."
    _add_namespace(console)
    _add_cluster(console)


def _add_cluster(command: argparse.ArgumentParser) -> None:
    _add_kubeconfig(command.add_argument_group("which cluster"))


def _add_kubeconfig(cluster: "argparse._ActionsContainer") -> None:
    cluster.add_argument("--context", default="", help="kubeconfig context")
    kubeconfig = cluster.add_argument("--kubeconfig", default="", help="kubeconfig file")
    offering.offer(kubeconfig, completers.FilesCompleter())


def _add_namespace(command: "argparse._ActionsContainer") -> None:
    namespace = command.add_argument("-n", "--namespace", default="", help="default: the context's")
    offering.offer(namespace, offering.Names("namespaces", namespaced=False))


def _add_store(command: argparse.ArgumentParser) -> None:
    store = command.add_argument("store", metavar="STORE", help="the LogStore's name")
    offering.offer(store, offering.Names("logstores.loghub.dev"))
    cluster = command.add_argument_group("in a cluster")
    _add_namespace(cluster)
    _add_kubeconfig(cluster)
    direct = command.add_argument_group("any SLS endpoint, without a cluster")
    direct.add_argument(
        "--endpoint",
        default=os.environ.get("LOGHUB_ENDPOINT", ""),
        metavar="URL",
        help="for instance http://127.0.0.1:8080 (LOGHUB_ENDPOINT)",
    )
    direct.add_argument(
        "--project", default=os.environ.get("LOGHUB_PROJECT", ""), help="(LOGHUB_PROJECT)"
    )
