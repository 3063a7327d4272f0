"""`loghub support-bundle`: what somebody needs who is to help, in one file, without secrets.

Resources of ours, the release's workloads, events and logs, through the user's own kubectl, each
part bounded; what cannot be read is written down and does not stop the rest. `redacting` takes out
what may be secret.
"""

import argparse
import dataclasses
import functools
import io
import json
import pathlib
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import yaml

from loghub_cli import __version__, errors, installation, kubectl, redacting, surveying

FINE: Final = 0

KINDS: Final = (
    "logprojects",
    "logstores",
    "logconfigs",
    "clusterlogconfigs",
    "collectionagents",
    "logpipelines",
    "agentreports",
)
LOG_LINES: Final = 2000
"""The newest of each container: enough for the time around a fault."""
MAX_PODS: Final = 30
"""Whose logs are taken: those that are not ready first."""
MAX_PART_BYTES: Final = 8 * 1024 * 1024
"""Of one file of the bundle; the rest is cut, and said."""


@dataclasses.dataclass(slots=True)
class _Bundle:
    """The open archive; every part passes through here."""

    archive: tarfile.TarFile
    folder: str
    refused: list[str] = dataclasses.field(default_factory=list)
    files: int = 0

    def put(self, name: str, text: str) -> None:
        data = text.encode()
        if len(data) > MAX_PART_BYTES:
            data = data[:MAX_PART_BYTES] + b"\n(cut here)\n"
        entry = tarfile.TarInfo(f"{self.folder}/{name}")
        entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
        self.archive.addfile(entry, io.BytesIO(data))
        self.files += 1

    def part(self, name: str, make: Callable[[], str]) -> None:
        """Put what `make` gives; a refusal is written down instead."""
        try:
            self.put(name, make())
        except errors.CliError as fault:
            self.refused.append(f"{name}: {redacting.text(str(fault))}")


def run(options: argparse.Namespace) -> int:
    """Write the bundle.

    Raises:
        CliError: the cluster cannot be asked at all, or the file cannot be written.
    """
    cluster = kubectl.Kubectl(options.context, options.kubeconfig)
    workloads = cluster.items("deployments,statefulsets,daemonsets", labels=surveying.RELEASE)
    namespaces = sorted({str(each["metadata"]["namespace"]) for each in workloads})
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = pathlib.Path(options.file or f"loghub-support-{stamp}.tar.gz")
    try:
        with path.open("xb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            path.chmod(0o600)
            bundle = _Bundle(archive, f"loghub-support-{stamp}")
            _fill(bundle, cluster, workloads, namespaces)
    except FileExistsError as fault:
        raise errors.CliError(f"{path} exists: give another name with --file.") from fault
    except OSError as fault:
        raise errors.CliError(f"{path} cannot be written: {fault}") from fault
    print(path)
    note = f", {len(bundle.refused)} parts could not be read (see refused.txt)"
    print(f"{bundle.files} files{note if bundle.refused else ''}. Look it over.", file=sys.stderr)
    return FINE


def _fill(
    bundle: _Bundle, cluster: kubectl.Kubectl, workloads: list[Any], namespaces: list[str]
) -> None:
    bundle.put("about.txt", f"loghub {__version__}, release in: {', '.join(namespaces) or '?'}\n")
    bundle.part("versions.json", lambda: cluster.output(["version", "--output=json"]))
    bundle.put("workloads.yaml", _yaml(workloads))
    for kind in KINDS:
        _say(kind)
        bundle.part(f"{kind}.yaml", functools.partial(_resources, cluster, kind))
    bundle.part("status.json", lambda: _status(cluster, workloads))
    bundle.part("definitions.txt", lambda: _definitions(cluster))
    bundle.part("nodes.txt", lambda: cluster.output(["get", "nodes", "--output=wide"]))
    for namespace in namespaces:
        _say(f"namespace {namespace}")
        _release(bundle, cluster, namespace)
    if bundle.refused:
        bundle.put("refused.txt", "\n".join(bundle.refused) + "\n")


def _release(bundle: _Bundle, cluster: kubectl.Kubectl, namespace: str) -> None:
    """Pods, events, names of Secrets, and the newest lines of each container."""
    pods: list[dict[str, Any]] = []

    def listed() -> str:
        pods.extend(cluster.items("pods", namespace, labels=surveying.RELEASE))
        return _yaml(pods)

    bundle.part(f"{namespace}/pods.yaml", listed)
    bundle.part(
        f"{namespace}/events.txt",
        lambda: redacting.text(cluster.output(["get", "events", f"--namespace={namespace}"])),
    )
    # Names and keys alone are asked for: no secret ever leaves the API server.
    bundle.part(
        f"{namespace}/secrets.txt", lambda: "\n".join(cluster.names("secrets", namespace)) + "\n"
    )
    for pod in sorted(pods, key=_ready)[:MAX_PODS]:
        name = str(pod["metadata"]["name"])
        for previous in (False, True) if _restarted(pod) else (False,):
            file = f"{namespace}/logs/{name}{'.previous' if previous else ''}.txt"
            log = functools.partial(_log, cluster, namespace, name, previous=previous)
            bundle.part(file, log)


def _resources(cluster: kubectl.Kubectl, kind: str) -> str:
    return _yaml(cluster.items(f"{kind}.loghub.dev"))


def _log(cluster: kubectl.Kubectl, namespace: str, pod: str, *, previous: bool) -> str:
    arguments = ["logs", pod, f"--namespace={namespace}", "--all-containers", "--timestamps"]
    arguments += [f"--tail={LOG_LINES}"] + (["--previous"] if previous else [])
    return redacting.text(cluster.output(arguments))


def _states(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (pod.get("status") or {}).get("containerStatuses") or []


def _ready(pod: dict[str, Any]) -> bool:
    states = list(_states(pod))
    return bool(states) and all(each.get("ready") for each in states)


def _restarted(pod: dict[str, Any]) -> bool:
    return any(each.get("restartCount") for each in _states(pod))


def _status(cluster: kubectl.Kubectl, workloads: list[Any]) -> str:
    """What `loghub status` says."""
    kinds = ",".join(f"{kind}.loghub.dev" for kind in KINDS if kind not in _INTERNAL)
    reports = cluster.items("agentreports.loghub.dev")
    found = installation.judge(workloads, cluster.items(kinds), reports)
    return json.dumps(redacting.document(dataclasses.asdict(found)), indent=2) + "\n"


_INTERNAL: Final = frozenset(("logpipelines", "agentreports"))


def _definitions(cluster: kubectl.Kubectl) -> str:
    columns = "NAME:.metadata.name,VERSIONS:.spec.versions[*].name,MADE:.metadata.creationTimestamp"
    names = [f"{kind}.loghub.dev" for kind in KINDS]
    return cluster.output(["get", "crd", *names, f"--output=custom-columns={columns}"])


def _yaml(found: list[Any]) -> str:
    return yaml.safe_dump_all(
        [redacting.document(each) for each in found], sort_keys=False, allow_unicode=True
    )


def _say(what: str) -> None:
    """Progress, for a person who waits."""
    if sys.stderr.isatty():
        print(f"reading {what} ...", file=sys.stderr)
