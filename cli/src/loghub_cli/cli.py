"""The command line of `loghub` and `kubectl loghub`: arguments in, exit status out.

`discovery` finds the Logstore, `forward` makes it reachable, `reading` reads, `rendering` prints;
`inspecting` answers what is about the installation instead of its lines.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

import aiohttp

from loghub_cli import (
    __version__,
    discovery,
    durations,
    errors,
    forward,
    inspecting,
    kubectl,
    reading,
)
from loghub_cli.rendering import Record, line
from slswire.client import Client, Endpoint
from slswire.errors import SlsError
from slswire.signature import Credentials

_EXIT_FINE: Final = 0
_EXIT_FAILED: Final = 1
_EXIT_USAGE: Final = 2
_EXIT_INTERRUPTED: Final = 130

_ABOUT: Final = """\
Reads the lines that loghub collected. A LogStore is found by kubectl's context and namespace; with
--endpoint and --project any SLS endpoint is read directly, with LOGHUB_ACCESS_KEY_ID and
LOGHUB_ACCESS_KEY_SECRET as the key."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0 fine, 1 failed or something is not well, 2 wrong usage, 130 interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        return _command(options)
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except BrokenPipeError:
        # `loghub logs | head`: nobody reads any more; nothing is left to flush into the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _EXIT_FINE
    except errors.UsageError as fault:
        return _failed(str(fault), _EXIT_USAGE)
    except (errors.CliError, SlsError, aiohttp.ClientError, TimeoutError) as fault:
        return _failed(str(fault) or type(fault).__name__, _EXIT_FAILED)
    except ExceptionGroup as group:
        return _failed(str(_first(group)), _EXIT_FAILED)


def _command(options: argparse.Namespace) -> int:
    if options.command in inspecting.COMMANDS:
        return inspecting.run(options)
    with _destination(options) as (endpoint, found):
        return asyncio.run(_run(options, endpoint, found))


def _parser() -> argparse.ArgumentParser:
    # kubectl runs plug-ins by path; what people typed is "kubectl loghub".
    plugin = os.path.basename(sys.argv[0]).startswith("kubectl-")  # noqa: PTH119 - argv is text
    program = "kubectl loghub" if plugin else "loghub"
    about = "Explains what loghub collects and why not, and reads its lines back."
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("--version", action="version", version=f"loghub {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    tail = commands.add_parser("tail", help="follow a LogStore", description=_ABOUT)
    tail.add_argument(
        "--since", metavar="SPAN", default="1m", help="begin that long ago (default 1m)"
    )
    logs = commands.add_parser("logs", help="print a span of a LogStore", description=_ABOUT)
    logs.add_argument(
        "--since", metavar="SPAN", default="15m", help="look that far back (default 15m)"
    )
    logs.add_argument(
        "--query", "-q", default="*", help="SLS search, for instance 'error and not debug'"
    )
    logs.add_argument("--limit", type=int, default=100, help="newest records at the most")
    for command in (tail, logs):
        _add_common(command)
    _add_inspecting(commands)
    return parser


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
    explain.add_argument("kind", choices=["pod"], metavar="pod")
    explain.add_argument("name", metavar="NAME", help="the pod's name")
    explain.add_argument("-n", "--namespace", default="", help="default: the context's")
    stores = commands.add_parser("stores", help="LogStores, their state and who writes into them")
    stores.description = (
        "WRITTEN BY names LogConfigs of the namespaces looked at; -A sees all. "
        "Exit status: 0 all are ready, 1 one is not, 2 wrong usage."
    )
    span = stores.add_mutually_exclusive_group()
    span.add_argument("-n", "--namespace", default="", help="default: the context's")
    span.add_argument("-A", "--all-namespaces", action="store_true")
    agents = commands.add_parser("agents", help="the agent of each node and what it reports")
    agents.description = "Exit status: 0 all work, 1 one has a trouble, 2 wrong usage."
    for command in (status, explain, stores, agents):
        command.add_argument("-o", "--output", choices=["text", "json"], default="text")
        _add_cluster(command)


def _add_cluster(command: argparse.ArgumentParser) -> None:
    cluster = command.add_argument_group("which cluster")
    cluster.add_argument("--context", default="", help="kubeconfig context")
    cluster.add_argument("--kubeconfig", default="", help="kubeconfig file")


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("store", metavar="STORE", help="the LogStore's name")
    command.add_argument("-o", "--output", choices=["text", "json"], default="text")
    command.add_argument("--no-colour", action="store_true", help="also by NO_COLOR")
    cluster = command.add_argument_group("in a cluster")
    cluster.add_argument("-n", "--namespace", default="", help="default: the context's")
    cluster.add_argument("--context", default="", help="kubeconfig context")
    cluster.add_argument("--kubeconfig", default="", help="kubeconfig file")
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


@contextlib.contextmanager
def _destination(options: argparse.Namespace) -> Iterator[tuple[str, discovery.Destination]]:
    if options.endpoint:
        yield options.endpoint, _direct(options)
        return
    cluster = kubectl.Kubectl(options.context, options.kubeconfig)
    namespace = options.namespace or cluster.namespace()
    found = discovery.find(cluster, options.store, namespace)
    with forward.reachable(cluster, found.endpoint) as endpoint:
        yield endpoint, found


def _direct(options: argparse.Namespace) -> discovery.Destination:
    key = os.environ.get("LOGHUB_ACCESS_KEY_ID", "")
    secret = os.environ.get("LOGHUB_ACCESS_KEY_SECRET", "")
    if not options.project:
        raise errors.UsageError("--endpoint needs --project: the name of the remote project.")
    if not key or not secret:
        raise errors.UsageError(
            "--endpoint needs LOGHUB_ACCESS_KEY_ID and LOGHUB_ACCESS_KEY_SECRET in the environment."
        )
    return discovery.Destination(
        options.endpoint, options.project, options.store, Credentials(key, secret)
    )


async def _run(options: argparse.Namespace, endpoint: str, found: discovery.Destination) -> int:
    colour = sys.stdout.isatty() and not options.no_colour and "NO_COLOR" not in os.environ

    def sink(record: Record) -> None:
        print(line(record, options.output, colour=colour), flush=True)

    where = (found.project, found.logstore)
    since = durations.seconds(options.since)
    async with Client(Endpoint(endpoint), found.credentials) as client:
        if options.command == "tail":
            await reading.tail(client, where, since=since, sink=sink)
            return _EXIT_FINE
        now = int(time.time()) + 1
        complete = await reading.logs(
            client,
            where,
            query=options.query,
            within=(now - since, now),
            limit=options.limit,
            sink=sink,
        )
    if not complete:
        print("Only a part was searched: narrow --since or --query.", file=sys.stderr)
    return _EXIT_FINE


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _failed(sentence: str, status: int) -> int:
    print(f"loghub: {sentence}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
