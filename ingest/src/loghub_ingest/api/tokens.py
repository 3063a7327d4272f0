"""Temporary keys, for browsers and whoever else should hold no lasting one: loghub's own addition.

In the cloud another service makes them (AssumeRole); what clients do with one is the same here.
"""

import asyncio
import datetime as dt
import time
from typing import Final

from starlette.responses import Response

from loghub_ingest import tokens
from loghub_ingest.api import answers
from loghub_ingest.requests import Call
from loghub_ingest.storage import contract
from slswire import errors

LEAST_SECONDS: Final = 15 * 60
MOST_SECONDS: Final = 12 * 3600
USUAL_SECONDS: Final = 3600
"""The cloud's bounds, and its default."""


async def create(call: Call) -> Response:
    """`POST /loghub/v1/tokens` with `{"project", "rights", "durationSeconds"}`.

    By the root key, or by a lasting key of the project that has these rights itself.
    """
    given = call.document()
    project = str(given.get("project", "") or call.key.project)
    rights, seconds = _rights(given), _seconds(given)
    if call.key.ident.startswith(tokens.PREFIX):
        raise errors.make("Unauthorized", detail="A temporary key cannot hand out another one.")
    if call.storage.project(project) is None:
        raise errors.make("ProjectNotExist", project=project[:128])
    if not tokens.may_issue(call.key, project, rights):
        detail = f"denied: the key has no rights {', '.join(sorted(rights))} in project {project}"
        raise errors.make("Unauthorized", detail=detail)
    now = int(time.time())
    sealing = await _sealing(call, project, now)
    made = tokens.issue(sealing, call.key, rights, now=now, seconds=seconds)
    shown = {
        "accessKeyId": made.key.ident,
        "accessKeySecret": made.key.secret,
        "securityToken": made.token,
        "expiration": dt.datetime.fromtimestamp(made.expires, dt.UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        ),
        "project": project,
        "rights": sorted(rights),
    }
    return answers.document(shown)


async def revoke(call: Call) -> Response:
    """`DELETE /loghub/v1/tokens?project=`: all that were handed out for a project end now."""
    project = call.query.get("project", "")
    call.require("admin", project=project)
    async with call.service.editing:
        await asyncio.to_thread(call.storage.delete_key, tokens.SEALING_PREFIX + project)
    return answers.nothing()


async def _sealing(call: Call, project: str, now: int) -> contract.AccessKey:
    async with call.service.editing:  # two first ones must not make a key each
        found = call.storage.key(tokens.SEALING_PREFIX + project)
        if found is None:
            found = tokens.sealing_key(project, now)
            await asyncio.to_thread(call.storage.add_key, found)
        return found


def _rights(given: dict[str, object]) -> frozenset[str]:
    rights = given.get("rights", [])
    if not isinstance(rights, list) or not rights or not tokens.RIGHTS.issuperset(map(str, rights)):
        detail = f"rights must be some of {sorted(tokens.RIGHTS)}"
        raise errors.make("ParameterInvalid", detail=detail)
    return frozenset(map(str, rights))


def _seconds(given: dict[str, object]) -> int:
    seconds = given.get("durationSeconds", USUAL_SECONDS)
    if type(seconds) is not int or not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        detail = f"durationSeconds must be a number in [{LEAST_SECONDS}, {MOST_SECONDS}]"
        raise errors.make("ParameterInvalid", detail=detail)
    return seconds
