"""`loghub test CONFIG -f sample.log`: what a LogConfig makes of lines, by the agents' own parser.

CONFIG is a file, or a LogConfig of the cluster. The parser is `loghub-agent try`: the program on
this machine, else the one in an agent's pod. Nothing is collected or sent.
"""

import argparse
import datetime as dt
import json
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import yaml

from loghub_cli import errors, installation, kubectl, rendering, surveying

FINE: Final = 0
NOT_ALL: Final = 1

MAX_SAMPLE_BYTES: Final = 512 * 1024
"""Of the sample that is tried; the agent takes twice as much."""
SECONDS: Final = 60

_SHAPING: Final[tuple[str, ...]] = (
    "multiline",
    "parser",
    "time",
    "onParseError",
    "keepRaw",
    "processors",
)
_NOWHERE: Final = {
    "endpoint": "http://127.0.0.1:1",
    "project": "none",
    "logstore": "none",
    "region": "none",
    "credentialsSecret": "none",
}
"""A destination, which a pipeline must have and a trial never uses."""


def run(options: argparse.Namespace) -> int:
    """Try the lines; 1 where one could not be parsed.

    Raises:
        CliError: the LogConfig, the sample or an agent cannot be had.
    """
    cluster = kubectl.Kubectl(options.context, options.kubeconfig)
    spec = _spec(options, cluster)
    lines = _lines(options.sample)
    shaping = {key: spec[key] for key in _SHAPING if key in spec}
    pipeline: dict[str, Any] = {
        "version": 1,
        "destination": _NOWHERE,
        "input": {"stdout": {}},
        **shaping,
    }
    found = _ask(cluster, json.dumps({"spec": pipeline, "lines": lines}))
    if options.output == "json":
        for each in found:
            print(json.dumps(each))
    else:
        for each in found:
            print("\n".join(_shown(each)))
    faults = sum(1 for each in found if each["fault"])
    dropped = sum(1 for each in found if each["dropped"])
    print(
        f"{len(lines)} lines, {len(found)} records, {faults} not parsed, {dropped} dropped",
        file=sys.stderr,
    )
    return NOT_ALL if faults else FINE


def _spec(options: argparse.Namespace, cluster: kubectl.Kubectl) -> dict[str, Any]:
    path = pathlib.Path(options.config)
    if path.suffix in {".yaml", ".yml", ".json"} or path.is_file():
        return _of_file(path)
    namespace = options.namespace or cluster.namespace()
    found = cluster.get("logconfigs.loghub.dev", options.config, namespace)
    if found is None:
        known = ", ".join(cluster.names("logconfigs.loghub.dev", namespace)[:20]) or "none"
        raise errors.CliError(
            f"There is no LogConfig {options.config} in namespace {namespace} (there: {known}), "
            "and no file of that name."
        )
    return dict(found.get("spec") or {})


def _of_file(path: pathlib.Path) -> dict[str, Any]:
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, yaml.YAMLError) as fault:
        raise errors.CliError(f"{path} cannot be read: {fault}") from fault
    kinds = ("LogConfig", "ClusterLogConfig", "LogPipeline")
    found = [each for each in documents if isinstance(each, dict) and each.get("kind") in kinds]
    if len(found) != 1:
        names = ", ".join(str(each["metadata"]["name"]) for each in found) or "none"
        raise errors.CliError(f"{path} must hold one LogConfig; it holds {len(found)} ({names}).")
    return dict(found[0].get("spec") or {})


def _lines(name: str) -> list[str]:
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_SAMPLE_BYTES + 1)
        else:
            with pathlib.Path(name).open("rb") as file:
                data = file.read(MAX_SAMPLE_BYTES + 1)
    except OSError as fault:
        raise errors.CliError(f"{name} cannot be read: {fault}") from fault
    if len(data) > MAX_SAMPLE_BYTES:
        print(f"only the first {MAX_SAMPLE_BYTES} bytes of {name} are tried", file=sys.stderr)
        data = data[: data.rfind(b"\n", 0, MAX_SAMPLE_BYTES) + 1] or data[:MAX_SAMPLE_BYTES]
    return data.decode(errors="replace").splitlines()


def _ask(cluster: kubectl.Kubectl, document: str) -> list[dict[str, Any]]:
    done = subprocess.run(  # noqa: S603 - a list, no shell
        _program(cluster),
        input=document,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    if done.returncode:
        raise errors.CliError(f"The agent's parser refuses: {_reason(done.stderr)}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


def _reason(stderr: str) -> str:
    """The agent's last word, without its name."""
    last = stderr.strip().splitlines()[-1] if stderr.strip() else "it said nothing"
    return last.removeprefix("loghub-agent: ")[:500]


def _program(cluster: kubectl.Kubectl) -> list[str]:
    """The command of the agent that answers."""
    here = shutil.which("loghub-agent")
    if here:
        return [here, "try"]
    labels = f"{surveying.RELEASE},{installation.COMPONENT}=agent"
    for pod in cluster.items("pods", labels=labels):
        if (pod.get("status") or {}).get("phase") == "Running":
            metadata = pod["metadata"]
            where = [f"--namespace={metadata['namespace']}", str(metadata["name"])]
            call = ["--container=agent", "--", "python3", "-m", "loghub_agent", "try"]
            return cluster.command(["exec", "--stdin", *where, *call])
    raise errors.CliError(
        "No agent can be asked: there is no loghub-agent on PATH, and none runs in the cluster."
    )


def _shown(found: dict[str, Any]) -> Iterator[str]:
    """A record for people; control characters of the line stay harmless."""
    if found["dropped"]:
        yield f"dropped ({found['dropped']}): {rendering.safe(found['record'])}"
        return
    seconds, nanos = found["time"]
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fault = f"   NOT PARSED ({found['fault']})" if found["fault"] else ""
    yield f"{moment}.{nanos:09d}Z{fault}"
    width = max((len(name) for name, _ in found["fields"]), default=0)
    for name, value in found["fields"]:
        yield f"  {rendering.safe(name):<{width}}  {rendering.safe(value)}"
