"""Which project a request is for: its host's first label, or the `x-log-project` header.

Used by `requests`. Without configured names the service's own rule holds: the first label of a host
with more than two is the project.
"""

import ipaddress
from collections.abc import Sequence


def project_of(host: str, header: str, names: Sequence[str]) -> str:
    """The project's name, or empty for the bare endpoint.

    Args:
        host: value of the Host header, with or without a port.
        header: value of x-log-project, empty when there is none.
        names: configured service names; `<project>.NAME` is a project's host, `NAME` the bare one.
    """
    bare = _without_port(host).lower().rstrip(".")
    for name in names:
        if bare == name.lower():
            return header
        if bare.endswith("." + name.lower()):
            return bare.removesuffix("." + name.lower())
    if names or _is_address(bare):
        return header
    first, _, rest = bare.partition(".")
    return first if "." in rest else header


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0].lstrip("[")
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
