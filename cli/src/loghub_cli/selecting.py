"""Whether a LogConfig's selector takes a pod's containers, and every reason why not. Pure.

The same rules as the agent's, which alone decides; here they are only explained. Part of
`explaining`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from loghub_cli import asking, objects

EXCLUDE: Final = "loghub.dev/exclude"


def containers(pod: objects.Object) -> list[str]:
    """Names of a pod's containers of any kind."""
    spec = objects.spec(pod)
    return [str(each["name"]) for section in asking.SECTIONS for each in spec.get(section) or []]


def annotations(pod: objects.Object) -> Mapping[str, str]:
    """A pod's annotations."""
    return pod["metadata"].get("annotations") or {}


def excluded(pod: objects.Object) -> bool:
    """Whether the pod asks that none of its containers is collected."""
    return all(asking.excluded(pod, each) for each in containers(pod)) and (
        annotations(pod).get(EXCLUDE) == "true"
    )


def pod_faults(selector: Mapping[str, Any], pod: objects.Object) -> list[str]:
    """Why the pod as a whole is not selected; empty when it is."""
    faults = list(_label_faults(selector.get("podLabels") or {}, _labels(pod)))
    known = annotations(pod)
    for key, value in (selector.get("podAnnotations") or {}).items():
        if known.get(key) != value:
            faults.append(f"annotation {key} must be {value!r}; {_has(known, key)}")
    return faults


def container_fault(
    selector: Mapping[str, Any], container: str, pod: objects.Object | None = None
) -> str:
    """Why one container of a selected pod is not taken; empty when it is.

    Without the pod, its containers' own keys are left out of account.
    """
    if pod is not None:
        own = _own_fault(selector, container, pod)
        if own:
            return own
    if container in (selector.get("excludeContainerNames") or []):
        return "spec.selector.excludeContainerNames leaves it out"
    wanted = selector.get("containerNames") or []
    if wanted and container not in wanted:
        return f"spec.selector.containerNames takes {', '.join(wanted)} only"
    return ""


def _own_fault(selector: Mapping[str, Any], container: str, pod: objects.Object) -> str:
    if asking.excluded(pod, container):
        return f"the annotation {EXCLUDE}=true leaves it out"
    opt_in = selector.get("optIn")
    if not opt_in or asking.meant(opt_in, pod, container):
        return ""
    asked = ", ".join(map(str, asking.wishes(pod, container))) or "nothing"
    files = f" ({', '.join(opt_in['files'])})" if opt_in.get("files") else ""
    wanted = f"{opt_in['logstore']}{files}"
    if asking.has_foreign(pod):
        asked += " by keys of ours; other collectors' keys are the agent's to explain"
    return f"spec.selector.optIn takes containers that ask for {wanted}; asked: {asked}"


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a Kubernetes label selector selects an object with `labels`."""
    return not list(_label_faults(selector, labels))


def _labels(pod: objects.Object) -> Mapping[str, str]:
    return pod["metadata"].get("labels") or {}


def _label_faults(selector: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[str]:
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            yield f"label {key} must be {value!r}; {_has(labels, key)}"
    for each in selector.get("matchExpressions") or []:
        key, operator = str(each["key"]), str(each["operator"])
        values = [str(value) for value in each.get("values") or []]
        if not _holds(operator, values, labels.get(key)):
            listed = f" {', '.join(values)}" if values else ""
            yield f"label {key} must be {operator}{listed}; {_has(labels, key)}"


def _holds(operator: str, values: list[str], value: str | None) -> bool:
    # A missing label meets NotIn, as in Kubernetes.
    match operator:
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "In":
            return value in values
        case _:
            return value not in values


def _has(found: Mapping[str, str], key: str) -> str:
    return f"the pod has {found[key]!r}" if key in found else "the pod has none"
