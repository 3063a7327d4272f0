"""Projects: create, get, list, update, delete."""

import asyncio
import datetime as dt
from typing import Final

from starlette.responses import Response

from loghub_ingest.api import answers
from loghub_ingest.requests import Call
from loghub_ingest.storage import contract
from slswire import errors, limits

_MAX_DESCRIPTION: Final = 1024
_TIME: Final = "%Y-%m-%d %H:%M:%S"


async def create(call: Call) -> Response:
    """`POST /`: the name is in the body; some clients repeat it in the host."""
    call.require_root()
    given = call.document()
    name = str(given.get("projectName", "") or call.project)
    if not limits.is_project_name(name):
        detail = f"The project name {name[:80]!r} is invalid: 3 to 63 of a-z, 0-9 and -."
        raise errors.make("ParameterInvalid", detail=detail)
    made = call.storage.create_project
    if not await asyncio.to_thread(made, name, _description(given)):
        raise errors.make("ProjectAlreadyExist", project=name)
    return answers.nothing()


async def get(call: Call) -> Response:
    """`GET /` on a project's host; on the bare endpoint it lists."""
    if not call.project:
        return _list(call)
    call.require("read")
    project = call.storage.project(call.project)
    if project is None:
        raise errors.make("ProjectNotExist", project=call.project)
    return answers.document(_document(project, formatted=True))


async def update(call: Call) -> Response:
    """`PUT /`: the description."""
    call.require("admin")
    changed = call.storage.update_project
    if not await asyncio.to_thread(changed, call.project, _description(call.document())):
        raise errors.make("ProjectNotExist", project=call.project)
    return answers.nothing()


async def delete(call: Call) -> Response:
    """`DELETE /`: with everything in it."""
    call.require_root()
    call.require("admin")
    await asyncio.to_thread(call.storage.delete_project, call.project)
    call.service.quotas.set(call.project, None)
    return answers.nothing()


def _list(call: Call) -> Response:
    offset = call.number("offset", 0, least=0, most=2**31)
    size = call.number("size", 500, least=0, most=500)
    wanted = call.query.get("projectName", "")
    found = [
        each
        for each in call.storage.projects()
        if wanted in each.name and call.key.project in {"", each.name}
    ]
    page = [_document(each, formatted=False) for each in found[offset : offset + size]]
    return answers.document({"count": len(page), "total": len(found), "projects": page})


def _document(project: contract.Project, *, formatted: bool) -> dict[str, str]:
    # One project has its times as text, a list has unix seconds: as the cloud answers.
    def moment(seconds: int) -> str:
        if not formatted:
            return str(seconds)
        return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime(_TIME)

    return {
        "projectName": project.name,
        "status": "Normal",
        "owner": "",
        "description": project.description,
        "region": "loghub",
        "dataRedundancyType": "LRS",  # one client cannot read a project without it
        "createTime": moment(project.created),
        "lastModifyTime": moment(project.modified),
    }


def _description(given: dict[str, object]) -> str:
    # No database keeps a zero in a text.
    return str(given.get("description") or "").replace("\0", "")[:_MAX_DESCRIPTION]
