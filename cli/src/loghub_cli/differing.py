"""`loghub diff -f FILE`: what applying LogConfigs would change, before it is done.

The spec against the one in the cluster, the API server's own judgement of the new one, and which
containers would be taken or let go. `matching` decides on each pod, as for `loghub matches`.
"""

import argparse
import dataclasses
import difflib
import json
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import yaml

from loghub_cli import errors, kubectl, matching, objects, rendering, surveying

FINE: Final = 0
DIFFERENT: Final = 1

_KIND: Final = "LogConfig"
_PLURAL: Final = "logconfigs.loghub.dev"


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """What one object of the file would change."""

    config: str
    new: bool
    lines: Sequence[str]
    """Of the spec, as `diff -u` shows them."""
    takes: Sequence[str]
    """Containers (POD/CONTAINER) that would be taken and are not."""
    lets_go: Sequence[str]
    """Containers that are taken and would not be."""

    @property
    def any(self) -> bool:
        """Whether anything would change."""
        return bool(self.new or self.lines or self.takes or self.lets_go)


def run(options: argparse.Namespace) -> int:
    """Show the differences; 1 where there are any, as `kubectl diff` does.

    Raises:
        CliError: a file cannot be read, or the API server refuses what is in it.
    """
    cluster = kubectl.Kubectl(options.context, options.kubeconfig)
    home = options.namespace or cluster.namespace()
    found = []
    for name in options.file:
        wanted = [_placed(each, home) for each in _read(name)]
        # The definitions' rules speak first: what they refuse would change nothing.
        tried = ["apply", "--server-side", "--force-conflicts", "--dry-run=server"]
        tried += [f"--namespace={options.namespace}"] if options.namespace else []
        cluster.output([*tried, f"--filename={name}"])
        found += [_difference(cluster, each) for each in wanted]
    if options.output == "json":
        print(json.dumps([dataclasses.asdict(each) for each in found], indent=2))
    else:
        for each in found:
            print("\n".join(lines(each)))
    return DIFFERENT if any(each.any for each in found) else FINE


def lines(found: Difference) -> Iterator[str]:
    """One difference as text."""
    if not found.any:
        yield f"LogConfig {found.config}: nothing would change"
        return
    yield f"LogConfig {found.config}: {'new' if found.new else 'changed'}"
    for line in found.lines:
        yield f"  {rendering.safe(line)}"
    for word, names in (("would take", found.takes), ("would let go", found.lets_go)):
        for name in names:
            yield f"  {word:<12}  {rendering.safe(name)}"


def _read(name: str) -> list[dict[str, Any]]:
    try:
        text = pathlib.Path(name).read_text(encoding="utf-8")
        documents = [each for each in yaml.safe_load_all(text) if isinstance(each, dict)]
    except (OSError, ValueError, yaml.YAMLError) as fault:
        raise errors.CliError(f"{name} cannot be read: {fault}") from fault
    found = [each for each in documents if each.get("kind") == _KIND]
    others = sorted({str(each.get("kind")) for each in documents} - {_KIND})
    if others:
        kinds = ", ".join(others)
        print(f"{name}: only LogConfigs are compared, not {kinds}: `kubectl diff`", file=sys.stderr)
    if not found:
        raise errors.CliError(f"{name} holds no LogConfig.")
    return found


def _placed(found: dict[str, Any], home: str) -> objects.Object:
    metadata = {"namespace": home, **(found.get("metadata") or {})}
    if not metadata.get("name"):
        raise errors.CliError("A LogConfig without metadata.name cannot be compared.")
    return {**found, "metadata": metadata}


def _difference(cluster: kubectl.Kubectl, wanted: objects.Object) -> Difference:
    namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
    there: objects.Object | None = cluster.get(_PLURAL, name, namespace)
    pods: list[objects.Object] = list(cluster.items("pods", namespace))
    after = _taken(cluster, wanted, pods)
    before = _taken(cluster, there, pods) if there else set()
    return Difference(
        config=f"{namespace}/{name}",
        new=there is None,
        lines=list(_spec_lines(there, wanted)),
        takes=sorted(after - before),
        lets_go=sorted(before - after),
    )


def _taken(
    cluster: kubectl.Kubectl, config: objects.Object, pods: Sequence[objects.Object]
) -> set[str]:
    found = matching.match(config, pods, surveying.ConfigSurvey(cluster, config).facts())
    return {f"{pod.pod}/{name}" for pod in found.taken for name in pod.containers}


def _spec_lines(there: objects.Object | None, wanted: objects.Object) -> Iterator[str]:
    before, after = _text(there), _text(wanted)
    shown = difflib.unified_diff(before, after, "in the cluster", "in the file", lineterm="", n=2)
    yield from shown


def _text(found: objects.Object | None) -> list[str]:
    spec: dict[str, Any] = dict((found or {}).get("spec") or {})
    return yaml.safe_dump(spec, allow_unicode=True).splitlines() if spec else []
