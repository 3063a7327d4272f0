"""The command line: flags and LOGHUB_* variables become settings, errors become exit statuses.

Next in the flow: `cluster.running` in a cluster, `standalone.running` without one. Each is imported
only when it is the one to run, because the other's libraries would cost every node their memory.
"""

import argparse
import asyncio
import logging
import os
import pathlib
import socket
import sys
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

from loghub_agent import __version__, errors, settings, telemetry

_log = logging.getLogger(__name__)

_EXIT_FINE: Final = 0
_EXIT_FAILED: Final = 1
_EXIT_USAGE: Final = 2
_ALIASES: Final = ("elastic", "datadog", "opentelemetry")
"""As in `aliases.READERS`, which only those import who want it."""
_LEVELS: Final = ("debug", "info", "warning", "error")

_ABOUT: Final = """\
Collects container logs of one node and delivers them to LogHub / SLS. In a cluster everything comes
from the API server; with --pipelines it runs without Kubernetes. Every flag can be given as the
variable named in its help; the flag wins."""


class _Flags:
    """Adds flags whose default is a variable, and names the variable in the help."""

    def __init__(self, group: argparse._ArgumentGroup, environment: Mapping[str, str]) -> None:
        self._group = group
        self._environment = environment

    def add(self, flag: str, text: str, default: str = "", *, metavar: str) -> None:
        """Add a flag that takes a text."""
        variable = "LOGHUB_" + flag.removeprefix("--").replace("-", "_").upper()
        shown = f", default {default}" if default else ""
        self._group.add_argument(
            flag,
            metavar=metavar,
            default=self._environment.get(variable) or default,
            help=f"{text} ({variable}{shown})",
        )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loghub-agent", description=_ABOUT)
    parser.add_argument("--version", action="version", version=f"loghub-agent {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="collect until SIGTERM", description=_ABOUT)
    _add_common(_Flags(run.add_argument_group("both ways of running"), environment))
    _add_cluster(_Flags(run.add_argument_group("in a cluster"), environment))
    alone = run.add_argument_group("without Kubernetes")
    _add_standalone(_Flags(alone, environment))
    alone.add_argument(
        "--once",
        action="store_true",
        default=environment.get("LOGHUB_ONCE", "").lower() in {"1", "true", "yes"},
        help="end when everything is read and acknowledged (LOGHUB_ONCE=true)",
    )
    explain = commands.add_parser(
        "explain",
        help="say which pipelines take a container, how far they are, and why others do not",
        description="Asks the agent that runs on this machine (in a cluster: kubectl exec).",
    )
    explain.add_argument(
        "what", metavar="WHAT", help="NAMESPACE/POD[/CONTAINER], POD, CONTAINER or a log's path"
    )
    _Flags(explain.add_argument_group("the running agent"), environment).add(
        "--admin", "address of its --admin-listen", "127.0.0.1:8081", metavar="HOST:PORT"
    )
    commands.add_parser(
        "try",
        help="say what a pipeline makes of sample lines",
        description="Reads a JSON document from stdin: see `kubectl loghub test`, which asks it.",
    )
    return parser


def _add_common(flags: _Flags) -> None:
    flags.add(
        "--node-name",
        "name of this node; required in a cluster, else the host's name",
        metavar="NAME",
    )
    flags.add("--pods-dir", "where container logs are", "/var/log/pods", metavar="DIR")
    flags.add("--root", "where the node's own files are", "/", metavar="DIR")
    flags.add(
        "--state", "state directory, kept over restarts", "/var/lib/loghub-agent", metavar="DIR"
    )
    flags.add(
        "--admin-listen",
        "address of /healthz, /readyz and /metrics; 'off' for none (in a cluster :8081, else off)",
        metavar="[HOST]:PORT",
    )
    flags.add("--drain-seconds", "longest delivery at the end", "20", metavar="N")
    flags.add("--log-level", "debug, info, warning or error", "info", metavar="LEVEL")
    flags.add("--batch-bytes", "bytes of one request before compression", metavar="N")
    flags.add("--batch-logs", "lines of one request", metavar="N")
    flags.add("--batch-seconds", "longest wait for a request to fill", metavar="N")
    flags.add("--queue-bytes-per-destination", "memory of one destination", metavar="N")
    flags.add("--requests-per-destination", "requests under way at once", metavar="N")
    flags.add("--max-line-bytes", "longest line; the rest of one is cut", metavar="N")
    flags.add("--scan-seconds", "between looks where the kernel tells of no change", metavar="N")
    flags.add("--max-deleted-files", "deleted files held open, default 1024", metavar="N")
    flags.add("--max-open-files", "logs open at once, default 4096; idle ones close", metavar="N")
    flags.add("--data-threads", "threads that read and compress, default 1", metavar="N")


def _add_cluster(flags: _Flags) -> None:
    flags.add("--namespace", "namespace of LogPipelines, default the pod's own", metavar="NAME")
    flags.add("--pool", "agent pool, for the report", "default", metavar="NAME")
    flags.add("--pool-uid", "uid of the CollectionAgent, which owns the report", metavar="UID")
    flags.add("--pod-name", "this agent's pod, default the host's name", metavar="NAME")
    flags.add("--kubeconfig", "reach a cluster from outside", metavar="FILE")
    flags.add(
        "--aliases",
        f"other collectors whose keys on pods count too, of {', '.join(_ALIASES)}",
        metavar="NAME,...",
    )


def _add_standalone(flags: _Flags) -> None:
    flags.add("--pipelines", "directory of LogPipeline documents (YAML)", metavar="DIR")
    flags.add("--credentials", "YAML file: name to accessKeyId, accessKeySecret", metavar="FILE")


def _number(options: argparse.Namespace, name: str, least: float) -> float | None:
    text = getattr(options, name)
    if not text:
        return None
    flag = "--" + name.replace("_", "-")
    try:
        number = float(text)
    except ValueError:
        raise errors.UsageError(f"{flag} is {text!r}; it must be a number") from None
    if not least <= number < float("inf"):
        raise errors.UsageError(f"{flag} is {text}; it must be at least {least:g}")
    return number


def _whole(options: argparse.Namespace, name: str) -> int | None:
    number = _number(options, name, 1)
    return None if number is None else int(number)


def _common(options: argparse.Namespace, *, node: str, admin: str) -> settings.Settings:
    listen = options.admin_listen or admin
    if listen == "off":
        listen = ""
    port = listen.rpartition(":")[2]
    if listen and not (":" in listen and port.isdecimal() and int(port) <= 65535):
        raise errors.UsageError(f"--admin-listen is {listen!r}; write HOST:PORT, :PORT or off")
    drain = _number(options, "drain_seconds", 0)
    return settings.Settings(
        state=pathlib.Path(options.state),
        pods_dir=pathlib.Path(options.pods_dir),
        root=pathlib.Path(options.root),
        node=node,
        admin_listen=listen,
        drain_seconds=drain or 0.0,
        core=settings.CoreSettings(
            batch_bytes=_whole(options, "batch_bytes"),
            batch_logs=_whole(options, "batch_logs"),
            max_deleted_files=_whole(options, "max_deleted_files"),
            max_open_files=_whole(options, "max_open_files"),
            batch_seconds=_number(options, "batch_seconds", 0),
            queue_bytes_per_destination=_whole(options, "queue_bytes_per_destination"),
            requests_per_destination=_whole(options, "requests_per_destination"),
            max_line_bytes=_whole(options, "max_line_bytes"),
            scan_seconds=_number(options, "scan_seconds", 0),
            data_threads=_whole(options, "data_threads"),
        ),
    )


def _run_standalone(options: argparse.Namespace) -> Coroutine[Any, Any, None]:
    from loghub_agent.standalone import running  # noqa: PLC0415  (see the module's docstring)

    pipelines = pathlib.Path(options.pipelines)
    if not pipelines.is_dir():
        raise errors.UsageError(f"--pipelines {pipelines} is no directory; create it")
    node = options.node_name or socket.gethostname()
    return running.run(
        _common(options, node=node, admin="off"),
        settings.StandaloneSettings(
            pipelines=pipelines,
            credentials=pathlib.Path(options.credentials) if options.credentials else None,
            once=options.once,
        ),
    )


def _run_in_cluster(options: argparse.Namespace) -> Coroutine[Any, Any, None]:
    from loghub_agent.cluster import access, running  # noqa: PLC0415  (likewise)

    if options.once or options.credentials:
        raise errors.UsageError(
            "--once and --credentials need --pipelines: they are for running without Kubernetes"
        )
    if not options.node_name:
        raise errors.UsageError("--node-name (LOGHUB_NODE_NAME) is missing; give the node's name")
    namespace = options.namespace or access.namespace()
    if not namespace:
        raise errors.UsageError(
            "--namespace (LOGHUB_NAMESPACE) is missing; give loghub's namespace"
        )
    return running.run(
        _common(options, node=options.node_name, admin=":8081"),
        settings.ClusterSettings(
            namespace=namespace,
            pool=options.pool,
            pool_uid=options.pool_uid or "",
            pod=options.pod_name or socket.gethostname(),
            kubeconfig=pathlib.Path(options.kubeconfig) if options.kubeconfig else None,
            aliases=_aliases(options.aliases or ""),
        ),
    )


def _aliases(text: str) -> tuple[str, ...]:
    names = tuple(each.strip() for each in text.split(",") if each.strip())
    for name in names:
        if name not in _ALIASES:
            raise errors.UsageError(f"--aliases has {name!r}; give some of {', '.join(_ALIASES)}")
    return names


def _explain(options: argparse.Namespace) -> None:
    from loghub_agent import asking  # noqa: PLC0415  (a running agent needs none of it)

    print(asking.explain(options.what, options.admin), end="")  # noqa: T201  (the answer)


def _try(_: argparse.Namespace) -> None:
    from loghub_agent import trying  # noqa: PLC0415  (likewise)

    for line in trying.answer(sys.stdin):
        print(line)  # noqa: T201  (the answer)


def _run(options: argparse.Namespace) -> None:
    if options.log_level not in _LEVELS:
        raise errors.UsageError(f"--log-level is {options.log_level!r}; give {', '.join(_LEVELS)}")
    telemetry.start_logging(options.log_level)
    _log.info("starting", extra={"version": __version__, "standalone": bool(options.pipelines)})
    asyncio.run(_run_standalone(options) if options.pipelines else _run_in_cluster(options))
    _log.info("ended")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 fine, 1 failed, 2 wrong usage."""
    options = _parser(os.environ).parse_args(arguments)
    try:
        {"explain": _explain, "try": _try}.get(options.command, _run)(options)
    except errors.UsageError as fault:
        print(f"loghub-agent: {fault}", file=sys.stderr)  # noqa: T201  (for the person at the keys)
        return _EXIT_USAGE
    except errors.AgentError as fault:
        if options.command == "run":
            _log.error("failed", extra={"reason": str(fault)})
        else:
            print(f"loghub-agent: {fault}", file=sys.stderr)  # noqa: T201  (likewise)
        return _EXIT_FAILED
    except Exception:  # noqa: BLE001  (the one place where whatever went wrong becomes a status)
        _log.exception("failed")
        return _EXIT_FAILED
    return _EXIT_FINE
