"""Access keys of projects, handed out by the root key: loghub's own addition to the API.

The operator mints one per LogProject; applications get it as a Secret.
"""

import asyncio
import secrets
import string
import time
from typing import Final

from starlette.responses import Response

from loghub_ingest.api import answers
from loghub_ingest.requests import Call
from loghub_ingest.storage import contract
from slswire import errors

RIGHTS: Final = frozenset({"read", "write", "admin"})
MAX_KEYS: Final = 100
"""Per project: far above what rotation needs."""

_ALPHABET: Final = string.ascii_letters + string.digits


async def create(call: Call) -> Response:
    """`POST /loghub/v1/keys` with `{"project", "rights"}`."""
    call.require_root()
    given = call.document()
    project, rights = str(given.get("project", "")), given.get("rights", [])
    call.require("admin", project=project)
    if not isinstance(rights, list) or not rights or not RIGHTS.issuperset(map(str, rights)):
        detail = f"rights must be some of {sorted(RIGHTS)}"
        raise errors.make("ParameterInvalid", detail=detail)
    if len(call.storage.keys(project)) >= MAX_KEYS:
        detail = f"project {project} has {MAX_KEYS} keys already; delete one"
        raise errors.make("ParameterInvalid", detail=detail)
    key = contract.AccessKey(
        ident="LH" + _random(18),
        secret=_random(40),
        project=project,
        rights=frozenset(map(str, rights)),
        created=int(time.time()),
    )
    if not await asyncio.to_thread(call.storage.add_key, key):
        raise errors.make("ProjectNotExist", project=project)
    return answers.document(_shown(key) | {"accessKeySecret": key.secret})


async def list_keys(call: Call) -> Response:
    """`GET /loghub/v1/keys?project=`: without their secrets."""
    call.require_root()
    project = call.query.get("project", "")
    call.require("admin", project=project)
    return answers.document({"keys": [_shown(key) for key in call.storage.keys(project)]})


async def delete(call: Call) -> Response:
    """`DELETE /loghub/v1/keys/{id}`."""
    call.require_root()
    ident = call.path["key"]
    key = call.storage.key(ident)
    if key is None or not key.project:
        raise errors.make("InvalidAccessKeyId", key=ident[:128])
    await asyncio.to_thread(call.storage.delete_key, ident)
    return answers.nothing()


def _shown(key: contract.AccessKey) -> dict[str, object]:
    return {
        "accessKeyId": key.ident,
        "project": key.project,
        "rights": sorted(key.rights),
        "createTime": key.created,
    }


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
