"""The harness' command line: the one place where its errors become exit statuses.

0 fine, 1 failed (a sentence on stderr says what), 2 wrong usage.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from harness import binaries, foreign, lock, places, providers
from harness.kubectl import Kubectl
from harness.providers import Provider
from harness.trouble import TroubleError


def main() -> int:
    """Run one verb."""
    options = _parser().parse_args()
    try:
        if options.verb == "tool":
            for name in options.names:
                print(binaries.path(name))
            return 0
        if options.verb == "clients":
            foreign.install_all()
            if options.where:
                print({"jars": foreign.jars, "node-modules": foreign.node_modules}[options.where]())
            return 0
        provider = providers.choose(options.provider)
        if options.verb in VERBS_THAT_CHANGE:
            with lock.held(places.cache()):
                return _change(provider, options)
        return _look(provider, options)
    except TroubleError as trouble:
        print(f"harness: {trouble}", file=sys.stderr)
        return 1


VERBATIM: dict[str, Any] = {"prefix_chars": "\0", "add_help": False}
"""For verbs whose words belong to another program: nothing among them is an option of ours."""

VERBS_THAT_CHANGE = {"up", "down", "build-image", "load-image", "recycle-volumes"}
VERBS_THAT_CHANGE |= {"service", "apiserver", "link"}


def _change(provider: Provider, options: argparse.Namespace) -> int:
    verb = options.verb
    if verb == "up":
        provider.up()
    elif verb == "down":
        provider.down()
    elif verb == "build-image":
        provider.build_image(options.tag, options.file, options.context, options.build_arg)
    elif verb == "load-image":
        provider.load_images(options.tags)
    elif verb == "recycle-volumes":
        provider.recycle_volumes()
    elif verb == "link":
        provider.link(options.machine, up=options.what == "up")
    else:
        machine = getattr(options, "machine", "control-plane")
        provider.service(machine, getattr(options, "name", "kube-apiserver"), options.what)
    return 0


def _look(provider: Provider, options: argparse.Namespace) -> int:
    if options.verb == "kubeconfig":
        print(provider.kubeconfig)
        return 0
    if options.verb == "has-image":
        return 0 if provider.has_image(options.tag) else 1
    if options.verb == "status":
        ailment = provider.ailment()
        print(f"{provider.name}: {ailment or 'up'}")
        return 1 if ailment else 0
    kubectl = Kubectl(provider.kubeconfig)
    if options.verb == "kill-container":
        _kill_container(provider, kubectl, options)
        return 0
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if options.verb == "kubectl":
        command = kubectl.command(*words)
    else:
        command = [*provider.inside(options.machine), *words]
    # In our place: terminal, signals and exit status are the program's own.
    return os.execvp(command[0], command)  # noqa: S606 (no shell is wanted)


def _kill_container(provider: Provider, kubectl: Kubectl, options: argparse.Namespace) -> None:
    words = ("get", "pod", options.pod, f"--namespace={options.namespace}", "--output=json")
    pod = json.loads(kubectl.run(*words))
    statuses = pod.get("status", {}).get("containerStatuses", [])
    identities = [
        status["containerID"].partition("://")[2]
        for status in statuses
        if options.container in {None, status["name"]} and status.get("state", {}).get("running")
    ]
    if not identities:
        raise TroubleError(f"pod {options.namespace}/{options.pod} has no such running container")
    for identity in identities:
        provider.kill_container(pod["spec"]["nodeName"], identity)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="harness", description=__doc__)
    parser.add_argument(
        "--provider",
        default=os.environ.get("CLUSTER") or "auto",
        choices=("auto", *providers.KINDS),
        help="which kind of cluster (default: $CLUSTER, else auto)",
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="bring the cluster up; quick when it is up already")
    verbs.add_parser("down", help="remove it and everything it left on the machine")
    verbs.add_parser("status", help="say whether it is up (exit status 0), and what ails it if not")
    verbs.add_parser("kubeconfig", help="print the path of the administrator's kubeconfig")
    build = verbs.add_parser("build-image", help="build an image on the provider's base")
    build.add_argument("--tag", required=True)
    build.add_argument("--file", required=True, type=Path)
    build.add_argument("--context", required=True, type=Path)
    build.add_argument("--build-arg", action="append", default=[], metavar="K=V")
    has = verbs.add_parser("has-image", help="exit status 0 if TAG was built here")
    has.add_argument("tag", metavar="TAG")
    load = verbs.add_parser("load-image", help="give built images to every node")
    load.add_argument("tags", nargs="+", metavar="TAG")
    verbs.add_parser("recycle-volumes", help="empty released volumes and offer them again")
    kubectl = verbs.add_parser("kubectl", help="kubectl against the cluster", **VERBATIM)
    kubectl.add_argument("words", nargs=argparse.REMAINDER, metavar="ARGS")
    tool = verbs.add_parser("tool", help="print the paths of programs, built where missing")
    tool.add_argument("names", nargs="+", choices=binaries.names(), metavar="NAME")
    clients = verbs.add_parser(
        "clients", help="install the official clients that tests drive, and a browser"
    )
    where = ("jars", "node-modules")
    clients.add_argument("--where", choices=where, help="print the folder that holds them")
    _add_faults(verbs)
    return parser


def _add_faults(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    inside = verbs.add_parser("node-exec", help="run a program in a node's namespaces", **VERBATIM)
    inside.add_argument("machine", metavar="NODE")
    inside.add_argument("words", nargs=argparse.REMAINDER, metavar="-- CMD")
    apiserver = verbs.add_parser("apiserver", help="stop (SIGKILL) or start the API server")
    apiserver.add_argument("what", choices=("stop", "start"))
    service = verbs.add_parser("service", help="stop (SIGKILL) or start any server of a machine")
    service.add_argument("machine")
    service.add_argument("name")
    service.add_argument("what", choices=("stop", "start"))
    link = verbs.add_parser("link", help="cut a machine off the network, or join it again")
    link.add_argument("machine")
    link.add_argument("what", choices=("down", "up"))
    kill = verbs.add_parser("kill-container", help="SIGKILL a container's first process")
    kill.add_argument("--namespace", default="default")
    kill.add_argument("pod")
    kill.add_argument("container", nargs="?")


if __name__ == "__main__":
    sys.exit(main())
