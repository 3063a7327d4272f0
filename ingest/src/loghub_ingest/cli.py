"""The command line: flags and LOGHUB_* variables become settings, errors become exit statuses."""

import argparse
import logging
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import uvloop

from loghub_ingest import __version__, access, backends, listening, serving, telemetry, upkeep
from loghub_ingest.catalogue import database
from loghub_ingest.kafka import address
from loghub_ingest.storage import embedded

_log = logging.getLogger(__name__)

_EXIT_FINE: Final = 0
_EXIT_FAILED: Final = 1
_EXIT_USAGE: Final = 2

_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_MOST_DIGITS: Final = 6

_ABOUT: Final = """\
The loghub ingestion service: speaks the LogHub HTTP API of Alibaba Cloud Log Service (SLS). Every
flag can be given as the variable in its help; the flag wins. LOGHUB_ROOT_ACCESS_KEY_ID and
LOGHUB_ROOT_ACCESS_KEY_SECRET set the root key; without them one is made and logged once."""


class _UsageError(Exception):
    """The command line asks for something that cannot be."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0 fine, 1 failed, 2 wrong usage.
    """
    options = _parser(os.environ).parse_args(arguments)
    if options.command in upkeep.COMMANDS:
        return upkeep.run(options)
    try:
        telemetry.set_up(options.log_level)
        settings = _settings(options, os.environ)
        uvloop.run(serving.serve(settings))
    except _UsageError as fault:
        print(f"loghub-ingest: {fault}", file=sys.stderr)  # noqa: T201 - a command line speaks
        return _EXIT_USAGE
    except (
        embedded.InUseError,
        database.NewerFormatError,
        listening.CertificateError,
        serving.NoRootKeyError,
        OSError,
    ) as fault:
        _log.error("cannot serve: %s", fault)
        return _EXIT_FAILED
    except SystemExit:  # uvicorn's way to say that a port is taken
        return _EXIT_FAILED
    return _EXIT_FINE


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loghub-ingest", description=_ABOUT)
    parser.add_argument("--version", action="version", version=f"loghub-ingest {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    upkeep.add_commands(commands)
    serve = commands.add_parser("serve", help="serve until SIGTERM", description=_ABOUT)

    def flag(name: str, text: str, default: str = "") -> None:
        variable = "LOGHUB_" + name.removeprefix("--").replace("-", "_").upper()
        shown = f", default {default}" if default else ""
        serve.add_argument(
            name,
            metavar="VALUE",
            default=environment.get(variable) or default,
            help=f"{text} ({variable}{shown})",
        )

    flag("--listen", "HOST:PORT of the API, several with commas; 'off' for none", "127.0.0.1:8080")
    flag("--tls-listen", "the same with TLS; reads its files again when they change", "off")
    flag("--tls-certificate", "PEM file of the certificate chain for --tls-listen")
    flag("--tls-key", "PEM file of its key")
    flag("--admin-listen", "HOST:PORT of /healthz, /readyz, /metrics; 'off' for none", "off")
    flag("--data", "directory that keeps everything, on one machine")
    flag("--storage", "instead of --data, for many replicas: kafka://HOST:PORT,...?catalogue=URL")
    flag("--key-file", "file whose key seals the secrets, made if missing; best on another volume")
    flag("--default-project", "project of web tracking whose address names none")
    flag("--pack-after", "when closed segments are packed, 30s, 15m or 2h; 'off' for never", "1h")
    flag("--console", "on or off: the web console below /console/ of every --listen address", "on")
    flag("--access-log", "requests to log: off, errors or all", "errors")
    flag("--log-level", "debug, info, warning or error", "info")
    serve.add_argument(
        "--service-name",
        action="append",
        default=None,
        metavar="NAME",
        help="a host name of the service: NAME is the bare endpoint, PROJECT.NAME a project's; "
        "repeatable (LOGHUB_SERVICE_NAME, comma-separated)",
    )
    return parser


def _settings(options: argparse.Namespace, environment: Mapping[str, str]) -> serving.Settings:
    names = options.service_name
    if names is None:
        names = [each for each in environment.get("LOGHUB_SERVICE_NAME", "").split(",") if each]
    ident = environment.get("LOGHUB_ROOT_ACCESS_KEY_ID", "")
    secret = environment.get("LOGHUB_ROOT_ACCESS_KEY_SECRET", "")
    if bool(ident) != bool(secret):
        raise _UsageError(
            "LOGHUB_ROOT_ACCESS_KEY_ID and LOGHUB_ROOT_ACCESS_KEY_SECRET go together: set both."
        )
    listen = _addresses("--listen", options.listen, None)
    listen += _addresses("--tls-listen", options.tls_listen, _certificate(options))
    if not listen:
        raise _UsageError("--listen and --tls-listen are both off: give one an address.")
    admin = _addresses("--admin-listen", options.admin_listen, None)
    if len(admin) > 1:
        raise _UsageError("--admin-listen takes one address.")
    return serving.Settings(
        listen=listen,
        admin_listen=admin[0] if admin else None,
        backend=_backend(options),
        names=tuple(names),
        root_key=(ident, secret) if ident else None,
        access=_access(options.access_log),
        default_project=options.default_project,
        console=_switch("--console", options.console),
    )


def _backend(options: argparse.Namespace) -> backends.Settings:
    if options.data and options.storage:
        raise _UsageError("--data and --storage exclude each other: take one of them away.")
    if not options.data and not options.storage:
        raise _UsageError(
            "--data is missing: name the directory that keeps everything, or --storage for many "
            "replicas."
        )
    if options.storage and not options.key_file:
        raise _UsageError("--key-file is missing: with --storage all replicas need the same one.")
    try:
        replicas = address.read(options.storage) if options.storage else None
    except address.AddressError as fault:
        raise _UsageError(f"--storage: {fault}.") from fault
    return backends.Settings(
        data=pathlib.Path(options.data) if options.data else None,
        replicas=replicas,
        key_file=pathlib.Path(options.key_file) if options.key_file else None,
        pack_after=_seconds("--pack-after", options.pack_after),
    )


def _certificate(options: argparse.Namespace) -> listening.Certificate | None:
    given = (options.tls_certificate, options.tls_key)
    if all(given):
        return listening.Certificate(*map(pathlib.Path, given))
    if any(given) or options.tls_listen != "off":
        raise _UsageError("--tls-listen, --tls-certificate and --tls-key go together: give all.")
    return None


def _switch(flag: str, text: str) -> bool:
    if text not in {"on", "off"}:
        raise _UsageError(f"{flag} is {text!r}: write on or off.")
    return text == "on"


def _access(text: str) -> access.Access:
    try:
        return access.Access(text)
    except ValueError as fault:
        raise _UsageError(f"--access-log is {text!r}: write off, errors or all.") from fault


def _seconds(flag: str, text: str) -> float | None:
    if text == "off":
        return None
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdecimal() or len(number) > _MOST_DIGITS:
        raise _UsageError(f"{flag} is {text!r}: write 30s, 15m or 2h, or off.")
    return float(number) * _UNITS[unit]


def _addresses(
    flag: str, text: str, certificate: listening.Certificate | None
) -> tuple[listening.Address, ...]:
    if text == "off":
        return ()
    return tuple(_address(flag, each.strip(), certificate) for each in text.split(","))


def _address(flag: str, text: str, certificate: listening.Certificate | None) -> listening.Address:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise _UsageError(f"{flag} is {text!r}: write HOST:PORT, for instance 127.0.0.1:8080.")
    everywhere = "0.0.0.0"  # noqa: S104 - `:PORT` means everywhere
    return listening.Address(host.strip("[]") or everywhere, int(port), certificate)
