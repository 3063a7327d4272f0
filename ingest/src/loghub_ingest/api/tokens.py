"""Temporary keys, for browsers and whoever else should hold no lasting one: loghub's own addition.

In the cloud another service makes them (AssumeRole); what clients do with one is the same here.
"""

import datetime as dt
import time
from typing import Final

from starlette.responses import Response

from loghub_ingest import tokens
from loghub_ingest.api import answers
from loghub_ingest.requests import Call
from slswire import errors

LEAST_SECONDS: Final = 15 * 60
MOST_SECONDS: Final = 12 * 3600
USUAL_SECONDS: Final = 3600
"""The cloud's bounds, and its default."""

_MOMENT: Final = "%Y-%m-%dT%H:%M:%SZ"


async def create(call: Call) -> Response:
    """`POST /loghub/v1/tokens` with `{"project", "rights", "durationSeconds"}`.

    By the root key, or by a lasting key of the project that has these rights itself.
    """
    given = call.document()
    name = str(given.get("project", "") or call.key.project)
    rights, seconds = _rights(given), _seconds(given)
    if call.key.ident.startswith(tokens.PREFIX):
        raise errors.make("Unauthorized", detail="A temporary key cannot hand out another one.")
    if not tokens.may_issue(call.key, name, rights):
        detail = f"denied: the key has not the rights {sorted(rights)} in project {name[:128]}"
        raise errors.make("Unauthorized", detail=detail)
    project = call.storage.project(name)
    if project is None:
        raise errors.make("ProjectNotExist", project=name[:128])
    issue = call.service.tokens.issue
    made = issue(call.key, project, rights, now=int(time.time()), seconds=seconds)
    shown = {
        "accessKeyId": made.key.ident,
        "accessKeySecret": made.key.secret,
        "securityToken": made.token,
        "expiration": dt.datetime.fromtimestamp(made.expires, dt.UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        ),
        "project": name,
        "rights": sorted(rights),
    }
    return answers.document(shown)


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
