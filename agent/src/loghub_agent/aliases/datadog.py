"""Datadog's keys: `ad.datadoghq.com/<container>.logs`, a JSON array of log configurations.

After "Kubernetes Log Collection" and "Advanced Log Collection Configurations" of its
documentation. An element asks for the container's output, or for a file of it; `logs_exclude`
leaves a container out.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from loghub_agent import pods, wishes
from loghub_agent.aliases import counterparts

_PREFIX: Final = "ad.datadoghq.com/"
_MAX_ELEMENTS: Final = 8
_KNOWN: Final = frozenset(("type", "path", "source", "service", "tags", "log_processing_rules"))


def read(
    annotations: Mapping[str, str], container: str, problems: list[wishes.Problem]
) -> wishes.Said:
    """Return what the keys for a container come to."""
    if _is_excluded(annotations, container):
        return wishes.Said(excluded=True)
    key = f"{_PREFIX}{container}.logs"
    if key not in annotations:
        return wishes.SILENT
    elements = _elements(annotations[key])
    if isinstance(elements, str):
        problems.append(wishes.Problem(container, key, elements))
        return wishes.SILENT
    found: list[wishes.Wish] = []
    for element in elements:
        draft = counterparts.Draft(key, container, problems)
        wish = _wish(draft, element)
        if wish is not None and wish.streams and any(each.streams for each in found):
            draft.refuse("asks for the container's output twice; the first one counts")
        elif wish is not None:
            found.append(wish)
    return wishes.Said(tuple(found))


def _is_excluded(annotations: Mapping[str, str], container: str) -> bool:
    keys = [f"{of}{what}" for of in ("", f"{container}.") for what in ("logs_exclude", "exclude")]
    return any(annotations.get(_PREFIX + key, "").lower() == "true" for key in keys)


def _elements(text: str) -> list[dict[str, Any]] | str:
    """The array, or what is wrong with it."""
    if len(text) > pods.MAX_FOREIGN_CHARACTERS:
        return f"is longer than {pods.MAX_FOREIGN_CHARACTERS} characters; shorten it"
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as fault:
        return f"is no JSON: {str(fault)[:200]}"
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        return "is no array of objects"
    if len(found) > _MAX_ELEMENTS:
        return f"has {len(found)} elements; at most {_MAX_ELEMENTS} are read"
    return found


def _wish(draft: counterparts.Draft, element: Mapping[str, Any]) -> wishes.Wish | None:
    kind = element.get("type", "docker")
    if kind == "file":
        draft.take_path(element.get("path"))
        if not draft.files:
            return None
    elif kind not in {"docker", "containerd"}:
        draft.refuse(
            f"has the type {counterparts.shown(kind)}; only a container's output and files work"
        )
        return None
    if not _take_rules(draft, element.get("log_processing_rules") or []):
        return None
    for name in sorted(element.keys() - _KNOWN):
        draft.refuse(f"has {name[:80]!r}, which {counterparts.NO_COUNTERPART}")
    streams = () if draft.files else wishes.BOTH
    tags = tuple(sorted(dict(_tags(draft, element)).items()))
    key = draft.key
    return wishes.Wish("", "", wishes.ANNOTATION, key, streams, tags, draft.form())


def _take_rules(draft: counterparts.Draft, rules: object) -> bool:
    """Take the processing rules; False where lines would arrive that must not."""
    for rule in rules if isinstance(rules, list) else [rules]:
        given = rule if isinstance(rule, dict) else {}
        kind, pattern = given.get("type"), given.get("pattern")
        match kind:
            case "multi_line":
                # Datadog's agent anchors the pattern itself.
                draft.join("start", f"^(?:{pattern})" if isinstance(pattern, str) else pattern)
            case "exclude_at_match":
                draft.drop(pattern)
            case "include_at_match":
                draft.keep(pattern)
            case "mask_sequences":
                draft.refuse(
                    "has mask_sequences, without which nothing is collected: masking "
                    + counterparts.NO_COUNTERPART
                )
                return False
            case _:
                words = (
                    f"has the rule {counterparts.shown(kind)}, which {counterparts.NO_COUNTERPART}"
                )
                draft.refuse(words)
    return True


def _tags(draft: counterparts.Draft, element: Mapping[str, Any]) -> list[tuple[str, str]]:
    given = element.get("tags") or []
    listed = given if isinstance(given, list) else str(given).split(",")
    texts = [str(each).replace(":", "=", 1) for each in listed[: wishes.MAX_TAGS]]
    texts += [f"{name}={element[name]}" for name in ("source", "service") if element.get(name)]
    found = []
    for text in texts:
        tag = wishes.split_tag(text)
        if tag is None:
            draft.refuse(f"has the tag {text[:80]!r}; a tag is name:value, the name without _")
        else:
            found.append(tag)
    return found
