"""The command line: flags and LOGHUB_* variables become settings, errors become exit statuses."""

import argparse
import asyncio
import logging
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import yaml

from loghub_operator import __version__, cluster, leading, running, telemetry
from loghub_operator.reconciling import context
from loghub_operator.resources import crds

_log = logging.getLogger(__name__)

_EXIT_FINE: Final = 0
_EXIT_FAILED: Final = 1
_EXIT_USAGE: Final = 2

_ALIASES: Final = ("elastic", "datadog", "opentelemetry")
"""As agents know them."""

_ABOUT: Final = """\
Reconciles LogProjects, LogStores, LogConfigs and CollectionAgents. Every flag can be given as the
variable named in its help; the flag wins."""


class _UsageError(Exception):
    """The command line asks for something that cannot be."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0 fine, 1 failed, 2 wrong usage.
    """
    options = _parser(os.environ).parse_args(arguments)
    if options.command == "crds":
        kinds = (crds.definition(kind) for kind in crds.KINDS)
        yaml.safe_dump_all(kinds, sys.stdout, sort_keys=False, width=100)
        return _EXIT_FINE
    telemetry.set_up(options.log_level)
    try:
        asyncio.run(running.run(_options(options), _settings(options)))
    except _UsageError as fault:
        print(f"loghub-operator: {fault}", file=sys.stderr)  # noqa: T201 - a command line speaks
        return _EXIT_USAGE
    except (cluster.ClusterError, leading.LostError, OSError) as fault:
        _log.error("the operator ends: %s", fault)
        return _EXIT_FAILED
    except ExceptionGroup:
        _log.exception("the operator ends")
        return _EXIT_FAILED
    return _EXIT_FINE


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loghub-operator", description=_ABOUT)
    parser.add_argument("--version", action="version", version=f"loghub-operator {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("crds", help="print the definitions of the resources")
    run = commands.add_parser("run", help="reconcile until SIGTERM", description=_ABOUT)

    def flag(name: str, text: str, default: str = "") -> None:
        variable = "LOGHUB_" + name.removeprefix("--").replace("-", "_").upper()
        shown = f", default {default}" if default else ""
        run.add_argument(
            name,
            metavar="VALUE",
            default=environment.get(variable) or default,
            help=f"{text} ({variable}{shown})",
        )

    flag("--namespace", "the release's namespace, where internal objects are")
    flag("--agent-image", "image of agents whose CollectionAgent names none")
    flag("--ingest-endpoint", "the bundled service; empty when there is none")
    flag("--root-credentials-secret", "Secret with the service's root key", "loghub-root")
    flag("--default-project", "NAMESPACE/NAME of the LogProject for opt-ins without one")
    flag("--admin-listen", "HOST:PORT of /healthz, /readyz, /metrics", "0.0.0.0:8081")
    flag("--kubeconfig", "reach a cluster from outside")
    flag("--pod-name", "this replica's name in leader election", socket.gethostname())
    flag("--aliases", f"other collectors whose keys on pods count, of {', '.join(_ALIASES)}")
    flag("--log-level", "debug, info, warning or error", "info")
    run.add_argument(
        "--leader-election",
        action="store_true",
        default=environment.get("LOGHUB_LEADER_ELECTION", "").lower() in {"1", "true", "yes"},
        help="wait for a Lease before working (LOGHUB_LEADER_ELECTION=true)",
    )
    run.add_argument(
        "--require-collect",
        action="store_true",
        default=environment.get("LOGHUB_REQUIRE_COLLECT", "").lower() in {"1", "true", "yes"},
        help="LogConfigs need the right to collect into their LogStore, as a SubjectAccessReview "
        "of their service account says (LOGHUB_REQUIRE_COLLECT=true)",
    )
    run.add_argument(
        "--project-services",
        action="store_true",
        default=environment.get("LOGHUB_PROJECT_SERVICES", "").lower() in {"1", "true", "yes"},
        help="a Service per bundled project, so that http://PROJECT.NAMESPACE.svc is its endpoint "
        "(LOGHUB_PROJECT_SERVICES=true)",
    )
    run.add_argument(
        "--project-services-tls",
        action="store_true",
        default=environment.get("LOGHUB_PROJECT_SERVICES_TLS", "").lower() in {"1", "true", "yes"},
        help="these Services have port 443 too: the bundled service speaks TLS "
        "(LOGHUB_PROJECT_SERVICES_TLS=true)",
    )
    return parser


def _options(options: argparse.Namespace) -> running.Options:
    host, colon, port = options.admin_listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise _UsageError(f"--admin-listen is {options.admin_listen!r}: write HOST:PORT.")
    return running.Options(
        kubeconfig=options.kubeconfig,
        admin_listen=(host or "0.0.0.0", int(port)),  # noqa: S104 - `:PORT` means everywhere
        leader_election=options.leader_election,
        identity=options.pod_name,
    )


def _settings(options: argparse.Namespace) -> context.Settings:
    if not options.namespace:
        raise _UsageError("--namespace is missing: name the release's namespace.")
    namespace, slash, name = options.default_project.partition("/")
    if options.default_project and not (slash and namespace and name):
        raise _UsageError(
            f"--default-project is {options.default_project!r}: write NAMESPACE/NAME."
        )
    return context.Settings(
        namespace=options.namespace,
        agent_image=options.agent_image,
        ingest_endpoint=options.ingest_endpoint.rstrip("/"),
        root_secret=options.root_credentials_secret,
        default_project=(namespace, name) if slash else None,
        project_services=options.project_services,
        project_services_tls=options.project_services_tls,
        require_collect=options.require_collect,
        aliases=_aliases(options.aliases),
    )


def _aliases(text: str) -> tuple[str, ...]:
    names = tuple(sorted({each.strip() for each in text.split(",") if each.strip()}))
    for name in names:
        if name not in _ALIASES:
            raise _UsageError(f"--aliases has {name!r}: write some of {', '.join(_ALIASES)}.")
    return names
