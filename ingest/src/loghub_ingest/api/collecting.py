"""Logtail configs, pipeline configs and machine groups, and which config is applied to which group.

Kept and given back as they came: agents of this project are told what to collect by the operator,
but tools that manage the cloud's agents find their documents here.
"""

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response

from loghub_ingest.api import answers, names
from loghub_ingest.requests import Call
from loghub_ingest.storage import contract
from slswire import errors, limits

MAX_OF_A_KIND: Final = 200
"""Configs, and machine groups, of one project: the service's own bound."""

MAX_DOCUMENT_BYTES: Final = 256 * 1024

_APPLIED: Final = "applied"
"""Documents of this kind are named GROUP/CONFIG; neither name can hold a slash."""


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document: its name in the storage, its name's field, its codes, its list."""

    name: str
    field: str
    exists: str
    missing: str
    plural: str

    async def create(self, call: Call) -> Response:
        """`POST`: the name must be free."""
        call.require("admin")
        given = _document(call)
        name = given.get(self.field)
        if not isinstance(name, str) or not limits.is_config_name(name):
            detail = f"{self.field} is {str(name)[:80]!r}: 2 to 128 of a-z, A-Z, 0-9, ., - and _"
            raise errors.make("ParameterInvalid", detail=detail)
        held = await asyncio.to_thread(call.storage.documents, call.project, self.name)
        if len(held) >= MAX_OF_A_KIND and name not in {each.name for each in held}:
            detail = f"Project {call.project} has {MAX_OF_A_KIND} {self.plural}; delete one."
            raise errors.make("ProjectQuotaExceed", detail=detail)
        if not await asyncio.to_thread(
            call.storage.add_document, call.project, self.name, name, given
        ):
            raise errors.make(self.exists, name=name)
        return answers.nothing()

    async def get(self, call: Call) -> Response:
        """`GET` of one."""
        call.require("read")
        found = await self.find(call, call.path["name"])
        times = {"createTime": found.created, "lastModifyTime": found.modified}
        return answers.document(found.body | times)

    async def update(self, call: Call) -> Response:
        """`PUT`: replaces it; its name stays."""
        call.require("admin")
        found = await self.find(call, call.path["name"])
        given = _document(call) | {self.field: found.name}
        await asyncio.to_thread(
            call.storage.set_document, call.project, self.name, found.name, given
        )
        return answers.nothing()

    async def delete(self, call: Call) -> Response:
        """`DELETE`: and wherever it was applied."""
        call.require("admin")
        found = await self.find(call, call.path["name"])
        for group, config in await _applied(call):
            if found.name == (group if self is GROUP else config) and self is not PIPELINE:
                await asyncio.to_thread(
                    call.storage.delete_document, call.project, _APPLIED, f"{group}/{config}"
                )
        await asyncio.to_thread(call.storage.delete_document, call.project, self.name, found.name)
        return answers.nothing()

    async def list_names(self, call: Call) -> Response:
        """`GET` of all: names, filtered by a part of them."""
        call.require("read")
        found = await asyncio.to_thread(call.storage.documents, call.project, self.name)
        store = call.query.get("logstoreName", "")
        kept = [each.name for each in found if not store or store == _store_of(each)]
        return names.page(call, self.plural, kept, part=self.field)

    async def find(self, call: Call, name: str) -> contract.Document:
        """The document.

        Raises:
            SlsError: the kind's code for what does not exist.
        """
        found = await asyncio.to_thread(call.storage.document, call.project, self.name, name)
        if found is None:
            raise errors.make(self.missing, name=name[:128])
        return found


CONFIG: Final = Kind("config", "configName", "ConfigAlreadyExist", "ConfigNotExist", "configs")
PIPELINE: Final = Kind(
    "pipelineconfig", "configName", "ConfigAlreadyExist", "ConfigNotExist", "configs"
)
GROUP: Final = Kind(
    "machinegroup", "groupName", "GroupAlreadyExist", "MachineGroupNotExist", "machinegroups"
)


async def machines(call: Call) -> Response:
    """`GET /machinegroups/G/machines`: none, as agents report to the operator and not here."""
    call.require("read")
    await GROUP.find(call, call.path["name"])
    return answers.document({"count": 0, "total": 0, "machines": []})


async def apply(call: Call) -> Response:
    """`PUT /machinegroups/G/configs/C`."""
    name = await _pair(call)
    await asyncio.to_thread(call.storage.add_document, call.project, _APPLIED, name, {})
    return answers.nothing()


async def remove(call: Call) -> Response:
    """`DELETE /machinegroups/G/configs/C`."""
    name = await _pair(call)
    await asyncio.to_thread(call.storage.delete_document, call.project, _APPLIED, name)
    return answers.nothing()


async def configs_of_group(call: Call) -> Response:
    """`GET /machinegroups/G/configs`."""
    call.require("read")
    group = await GROUP.find(call, call.path["name"])
    found = [config for each, config in await _applied(call) if each == group.name]
    return answers.document({"count": len(found), "configs": found})


async def groups_of_config(call: Call) -> Response:
    """`GET /configs/C/machinegroups`."""
    call.require("read")
    config = await CONFIG.find(call, call.path["name"])
    found = [group for group, each in await _applied(call) if each == config.name]
    return answers.document({"count": len(found), "machinegroups": found})


async def _pair(call: Call) -> str:
    call.require("admin")
    group = await GROUP.find(call, call.path["name"])
    config = await CONFIG.find(call, call.path["config"])
    return f"{group.name}/{config.name}"


async def _applied(call: Call) -> Sequence[tuple[str, str]]:
    found = await asyncio.to_thread(call.storage.documents, call.project, _APPLIED)
    return [(group, config) for group, _, config in (each.name.partition("/") for each in found)]


def _document(call: Call) -> dict[str, Any]:
    if len(call.body) > MAX_DOCUMENT_BYTES:
        raise errors.make("PostBodyTooLarge", size=len(call.body), limit=MAX_DOCUMENT_BYTES)
    return call.document()


def _store_of(document: contract.Document) -> str:
    detail = document.body.get("outputDetail")
    return str(detail.get("logstoreName", "")) if isinstance(detail, dict) else ""
