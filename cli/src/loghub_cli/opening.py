"""`loghub console`: makes the service's web console reachable, and says where it is."""

import argparse
import signal
import sys
import threading
from typing import Final

from loghub_cli import errors, forward, installation, kubectl, surveying

FINE: Final = 0
PATH: Final = "/console/"


def run(options: argparse.Namespace) -> int:
    """Forward a port until Ctrl-C or SIGTERM.

    Raises:
        CliError: there is no bundled service, or kubectl cannot forward.
    """
    cluster = kubectl.Kubectl(options.context, options.kubeconfig)
    selector = f"{surveying.RELEASE},{installation.COMPONENT}=ingest"
    found = cluster.items("services", options.namespace, labels=selector)
    if not found:
        where = f"namespace {options.namespace}" if options.namespace else "this cluster"
        raise errors.CliError(
            f"There is no bundled service in {where}: it was installed without "
            "(ingest.enabled=false), or not at all. See `loghub status`."
        )
    namespace = str(found[0]["metadata"]["namespace"])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    service = f"http://{found[0]['metadata']['name']}.{namespace}.svc"
    with forward.reachable(cluster, service) as endpoint:
        print(f"{endpoint}{PATH}", flush=True)
        print(
            "Log in with a project's key (Secret <LogProject>-loghub-credentials), or the root "
            f"key:\n  kubectl -n {namespace} get secret loghub-root -o yaml\n"
            "Ctrl-C ends it.",
            file=sys.stderr,
        )
        stop.wait()
    return FINE
