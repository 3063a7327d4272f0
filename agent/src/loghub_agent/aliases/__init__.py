"""Other collectors' keys on pods, read as if they were ours. Off unless the operator's say so.

Each module reads one system's annotations for one container, and gives the `wishes` that they come
to: without a Logstore, since none of these systems has such a word. `hearing` puts them below
the pod's own keys. What has no counterpart here is a `wishes.Problem` on the key.
"""

from collections.abc import Callable, Mapping
from typing import Final

from loghub_agent import wishes
from loghub_agent.aliases import datadog, elastic, opentelemetry

Reader = Callable[[Mapping[str, str], str, list[wishes.Problem]], wishes.Said]
"""Annotations, the container's name and a list of problems to add to."""

READERS: Final[Mapping[str, Reader]] = {
    "elastic": elastic.read,
    "datadog": datadog.read,
    "opentelemetry": opentelemetry.read,
}
"""By the name that switches it on."""
