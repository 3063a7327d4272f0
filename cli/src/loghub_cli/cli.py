"""The command line of `loghub` and `kubectl loghub`: arguments in, exit status out.

`command_line` reads them. `discovery` finds the Logstore, `forward` makes it reachable, `reading`
reads, `rendering` and `results` print;
`inspecting` answers what is about the installation instead of its lines.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import aiohttp

from loghub_cli import (
    advising,
    bundling,
    command_line,
    completing,
    differing,
    discovery,
    errors,
    forward,
    inspecting,
    kubectl,
    moments,
    narrowing,
    opening,
    patience,
    reading,
    results,
    trying,
)
from loghub_cli.importing import command as importing
from loghub_cli.rendering import Record, line
from slswire.client import Client, Endpoint
from slswire.errors import SlsError
from slswire.signature import Credentials

_EXIT_FINE: Final = 0
_EXIT_FAILED: Final = 1
_EXIT_USAGE: Final = 2
_EXIT_INTERRUPTED: Final = 130

_NO_INDEX: Final = "IndexConfigNotExist"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0 fine, 1 failed or something is not well, 2 wrong usage, 130 interrupted.
    """
    parser = command_line.parser()
    completing.answer(parser)
    options = parser.parse_args(arguments)
    try:
        return _command(options)
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except BrokenPipeError:
        return _unread()
    except errors.UsageError as fault:
        return _failed(fault, _EXIT_USAGE)
    except (errors.CliError, SlsError, aiohttp.ClientError, TimeoutError) as fault:
        return _failed(fault, _EXIT_FAILED)
    except ExceptionGroup as group:
        first = _first(group)
        return _unread() if isinstance(first, BrokenPipeError) else _failed(first, _EXIT_FAILED)


def _command(options: argparse.Namespace) -> int:
    if options.command == "completion":
        print(completing.script(options.shell), end="")
        return _EXIT_FINE
    if options.command in _RUN:
        return _RUN[options.command](options)
    # Wrong usage is said before anything is asked of a cluster.
    tail = options.command == "tail"
    narrowed = _narrowed(options)
    if not tail:
        narrowed.query(options.query)
    within = None if tail else moments.within(*_ends(options), time.time())
    with _destination(options) as (endpoint, found):
        return asyncio.run(_run(options, within, endpoint, found))


_RUN: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "console": opening.run,
    "diff": differing.run,
    "import": importing.run,
    "support-bundle": bundling.run,
    "test": trying.run,
    **dict.fromkeys(inspecting.COMMANDS, inspecting.run),
}
"""Commands that read no Logstore."""


def _ends(options: argparse.Namespace) -> tuple[str | None, str | None, str | None]:
    return options.since, options.begin, options.end


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


async def _run(
    options: argparse.Namespace,
    within: tuple[int, int] | None,
    endpoint: str,
    destination: discovery.Destination,
) -> int:
    where = (destination.project, destination.logstore)
    narrowed = _narrowed(options)
    terminal = sys.stdout.isatty()
    colour = terminal and "NO_COLOR" not in os.environ and not options.no_colour
    async with Client(Endpoint(endpoint), destination.credentials) as client:
        if within is None:

            def sink(record: Record) -> None:
                if narrowed.takes(record):
                    shown = line(record, options.output, colour=colour, terminal=terminal)
                    print(shown, flush=True)

            await reading.tail(client, where, since=options.since, sink=sink)
            return _EXIT_FINE
        with patience.shown(f"searching {destination.logstore}"):
            found = await _searched(client, where, options, within)
    for each in results.lines(found, options.output, colour=colour, terminal=terminal):
        print(each)
    for note in results.notes(found, options.query, options.limit):
        print(note, file=sys.stderr)
    return _EXIT_FINE if found.complete else _EXIT_FAILED


async def _searched(
    client: Client, where: tuple[str, str], options: argparse.Namespace, within: tuple[int, int]
) -> reading.Found:
    query = _narrowed(options).query(options.query)
    try:
        return await reading.search(client, where, query=query, within=within, limit=options.limit)
    except SlsError as fault:
        if fault.code != _NO_INDEX:
            raise
        raise errors.CliError(
            f"Logstore {where[1]} has no index, and nothing is searched without one: set "
            f"spec.index of its LogStore. `loghub tail` needs none. ({fault})"
        ) from fault


def _narrowed(options: argparse.Namespace) -> narrowing.Narrowing:
    """What `tail` and `logs` leave out; `search` has its query."""
    if options.command == "search":
        return narrowing.Narrowing()
    place = (options.pod, options.container, options.stream)
    if options.command == "logs":
        return narrowing.Narrowing(*place)
    lines = (options.include, options.exclude)
    return narrowing.Narrowing(*place, *(tuple(map(narrowing.pattern, each)) for each in lines))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _failed(fault: BaseException, status: int) -> int:
    print(f"loghub: {advising.sentence(fault)}", file=sys.stderr)
    return status


def _unread() -> int:
    # `loghub logs | head`: nobody reads any more; nothing is left to flush into the pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _EXIT_FINE


if __name__ == "__main__":
    sys.exit(main())
