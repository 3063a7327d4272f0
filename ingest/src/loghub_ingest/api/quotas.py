"""Quotas of projects, set by the root key: loghub's own addition to the API."""

import asyncio
import dataclasses
from typing import Final

from starlette.responses import Response

from loghub_ingest import quotas
from loghub_ingest.api import answers
from loghub_ingest.requests import Call
from slswire import errors

_NAMES: Final = {
    "writeBytesPerSecond": "write_bytes",
    "writesPerSecond": "writes",
    "readsPerSecond": "reads",
}


async def get(call: Call) -> Response:
    """`GET /loghub/v1/quotas?project=`."""
    quota = call.service.quotas.of(_project(call))
    return answers.document({name: getattr(quota, field) for name, field in _NAMES.items()})


async def update(call: Call) -> Response:
    """`PUT /loghub/v1/quotas?project=`: what is given changes."""
    project = _project(call)
    given = call.document()
    for name, value in given.items():
        if name not in _NAMES:
            detail = f"{name[:40]!r} is no quota; there are {', '.join(_NAMES)}"
            raise errors.make("ParameterInvalid", detail=detail)
        if type(value) is not int or not 1 <= value <= quotas.MAX_RATE:
            detail = f"{name} is {str(value)[:40]!r}; it must be in [1, {quotas.MAX_RATE}]"
            raise errors.make("ParameterInvalid", detail=detail)
    async with call.service.editing:
        changes = {_NAMES[name]: value for name, value in given.items()}
        quota = dataclasses.replace(call.service.quotas.of(project), **changes)
        body = dataclasses.asdict(quota)
        if not await asyncio.to_thread(
            call.storage.set_document, project, quotas.KIND, quotas.KIND, body
        ):
            await asyncio.to_thread(
                call.storage.add_document, project, quotas.KIND, quotas.KIND, body
            )
        call.service.quotas.set(project, quota)
    return answers.nothing()


def _project(call: Call) -> str:
    call.require_root()
    project = call.query.get("project", "")
    call.require("admin", project=project)
    return project
