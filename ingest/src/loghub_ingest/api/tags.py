"""Tags of projects and Logstores: set, remove, list by resource or by tag.

The resource is named in the call, not by the host: the listing comes to the bare endpoint.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

from loghub_ingest.api import answers
from loghub_ingest.requests import Call
from loghub_ingest.storage import contract
from slswire import errors

MAX_TAGS: Final = 20
"""Of one resource, as the service has it."""

MAX_CHARS: Final = 128
"""Of a tag's key, and of its value."""

_PAGE: Final = 200


async def put(call: Call) -> Response:
    """`POST /tag` with `{"resourceType", "resourceId", "tags": [{"key", "value"}]}`."""
    given = call.document()
    wanted = _pairs(given.get("tags"))
    async with call.service.editing:
        for project, name in _resources(call, given, "admin"):
            tags = await _held(call, project, name) | wanted
            if len(tags) > MAX_TAGS:
                detail = f"{name} would have {len(tags)} tags; {MAX_TAGS} is the most."
                raise errors.make("ParameterInvalid", detail=detail)
            await _keep(call, project, name, tags)
    return answers.nothing()


async def remove(call: Call) -> Response:
    """`POST /untag` with `{"resourceType", "resourceId", "tags": ["k"]}` or `"all": true`."""
    given = call.document()
    keys = given.get("tags") or []
    if not isinstance(keys, list):
        raise errors.make("ParameterInvalid", detail="tags must be a list of keys")
    async with call.service.editing:
        for project, name in _resources(call, given, "admin"):
            held = await _held(call, project, name)
            gone = held.keys() if given.get("all") is True else {str(key) for key in keys}
            await _keep(call, project, name, {k: v for k, v in held.items() if k not in gone})
    return answers.nothing()


async def list_all(call: Call) -> Response:
    """`GET /tags?resourceType=&resourceId=["p"]&tags=[]&nextToken=`."""
    given = {
        "resourceType": call.query.get("resourceType", ""),
        "resourceId": _json(call, "resourceId"),
    }
    wanted = _pairs(_json(call, "tags"), values=False)
    found = []
    for project, name in _resources(call, given, "read"):
        held = await _held(call, project, name)
        found += [
            {
                "resourceId": name,
                "resourceType": given["resourceType"].lower(),
                "tagKey": key,
                "tagValue": value,
            }
            for key, value in sorted(held.items())
            if not wanted or (key in wanted and wanted[key] in {"", value})
        ]
    start = call.number("nextToken", 0, least=0, most=2**31)
    page = found[start : start + _PAGE]
    more = str(start + _PAGE) if start + _PAGE < len(found) else ""
    return answers.document({"nextToken": more, "tagResources": page})


def _resources(call: Call, given: Mapping[str, Any], right: str) -> Sequence[tuple[str, str]]:
    kind = str(given.get("resourceType", "")).lower()
    names = given.get("resourceId")
    if kind not in {"project", "logstore"}:
        detail = f"resourceType is {kind[:40]!r}: projects and Logstores have tags here."
        raise errors.make("NotSupported", detail=detail)
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, list) or not 0 < len(names) <= MAX_TAGS:
        detail = f"resourceId must be a list of 1 to {MAX_TAGS} names"
        raise errors.make("ParameterInvalid", detail=detail)
    return [(_project(call, kind, str(name), right), str(name)) for name in names]


def _project(call: Call, kind: str, name: str, right: str) -> str:
    project, sharp, store = name.partition("#")
    call.require(right, project=project)
    if kind == "logstore" and call.storage.logstore(project, store) is None:
        raise errors.make("LogStoreNotExist", logstore=store[:80])
    if kind == "project" and sharp:
        raise errors.make("ParameterInvalid", detail=f"{name[:128]!r} is no project's name")
    return project


def _pairs(found: Any, *, values: bool = True) -> dict[str, str]:
    if not isinstance(found, list) or len(found) > MAX_TAGS:
        raise errors.make("ParameterInvalid", detail=f"tags must be a list of 1 to {MAX_TAGS}")
    pairs = {}
    for each in found:
        key = each.get("key") if isinstance(each, dict) else None
        value = each.get("value", "") if isinstance(each, dict) else None
        fits = isinstance(key, str) and isinstance(value, str) and len(value) <= MAX_CHARS
        if not fits or not 0 < len(str(key)) <= MAX_CHARS or (values and "value" not in each):
            detail = f'a tag is {{"key", "value"}}, text of up to {MAX_CHARS} characters'
            raise errors.make("ParameterInvalid", detail=detail)
        pairs[str(key)] = str(value)
    return pairs


def _json(call: Call, name: str) -> Any:
    try:
        return json.loads(call.query.get(name) or "[]")
    except (ValueError, RecursionError) as fault:
        detail = f"Parameter {name} is no JSON: {fault}"
        raise errors.make("ParameterInvalid", detail=detail) from fault


async def _held(call: Call, project: str, name: str) -> dict[str, str]:
    found = await asyncio.to_thread(call.storage.document, project, contract.TAGS, name)
    return {} if found is None else found.body


async def _keep(call: Call, project: str, name: str, tags: dict[str, str]) -> None:
    if not await asyncio.to_thread(call.storage.set_document, project, contract.TAGS, name, tags):
        await asyncio.to_thread(call.storage.add_document, project, contract.TAGS, name, tags)
