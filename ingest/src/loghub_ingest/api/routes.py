"""Which path and method is whose."""

import functools
import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import Response

from loghub_ingest.api import (
    collecting,
    consumergroups,
    keys,
    logstores,
    projects,
    pulling,
    querying,
    quotas,
    shards,
    tags,
    tokens,
    tracking,
    writing,
)
from loghub_ingest.api.collecting import CONFIG, GROUP, PIPELINE
from loghub_ingest.requests import Call

Handler = Callable[[Call], Awaitable[Response]]


def writes(handler: Handler) -> Handler:
    """The project pays for it, once it is sure that the key may spend its quota."""

    @functools.wraps(handler)
    async def metered(call: Call) -> Response:
        call.store("write")
        call.service.quotas.write(call.project, len(call.body), time.monotonic())
        return await handler(call)

    return metered


def reads(handler: Handler) -> Handler:
    """As `writes`, of the quota of reads."""

    @functools.wraps(handler)
    async def metered(call: Call) -> Response:
        if "logstore" in call.path:
            call.store("read")
        else:
            call.require("read")
        call.service.quotas.read(call.project, time.monotonic())
        return await handler(call)

    return metered


_query = reads(querying.get)


async def _get(call: Call) -> Response:
    # The same path shows the Logstore's document, or searches it when a type is given.
    return await (_query(call) if "type" in call.query else logstores.get(call))


async def _get_index(call: Call) -> Response:
    # Java and the OpenAPI clients ask for histograms on the index's path.
    return await (_query(call) if "type" in call.query else logstores.get_index(call))


ROUTES: Final[tuple[tuple[str, dict[str, Handler]], ...]] = (
    (
        "/",
        {
            "POST": projects.create,
            "GET": projects.get,
            "PUT": projects.update,
            "DELETE": projects.delete,
        },
    ),
    ("/logstores", {"POST": logstores.create, "GET": logstores.list_names}),
    (
        "/logstores/{logstore}",
        {
            "GET": _get,
            "PUT": logstores.update,
            "DELETE": logstores.delete,
            "POST": writes(writing.put),
        },
    ),
    ("/logs", {"GET": reads(querying.over_project)}),
    ("/logstores/{logstore}/logs", {"POST": reads(querying.post)}),
    (
        "/logstores/{logstore}/index",
        {
            "POST": logstores.create_index,
            "GET": _get_index,
            "PUT": logstores.update_index,
            "DELETE": logstores.delete_index,
        },
    ),
    ("/logstores/{logstore}/shards", {"GET": shards.list_all}),
    ("/logstores/{logstore}/shards/lb", {"POST": writes(writing.put)}),
    ("/logstores/{logstore}/shards/route", {"POST": writes(writing.put_by_key)}),
    (
        "/logstores/{logstore}/shards/{shard}",
        {"GET": reads(pulling.shard), "POST": shards.change, "DELETE": shards.delete},
    ),
    (
        "/logstores/{logstore}/consumergroups",
        {"POST": consumergroups.create, "GET": consumergroups.list_all},
    ),
    (
        "/logstores/{logstore}/consumergroups/{group}",
        {
            "POST": consumergroups.post,
            "GET": consumergroups.checkpoints,
            "PUT": consumergroups.update,
            "DELETE": consumergroups.delete,
        },
    ),
    ("/configs", {"POST": CONFIG.create, "GET": CONFIG.list_names}),
    ("/configs/{name}", {"GET": CONFIG.get, "PUT": CONFIG.update, "DELETE": CONFIG.delete}),
    ("/configs/{name}/machinegroups", {"GET": collecting.groups_of_config}),
    ("/pipelineconfigs", {"POST": PIPELINE.create, "GET": PIPELINE.list_names}),
    (
        "/pipelineconfigs/{name}",
        {"GET": PIPELINE.get, "PUT": PIPELINE.update, "DELETE": PIPELINE.delete},
    ),
    ("/machinegroups", {"POST": GROUP.create, "GET": GROUP.list_names}),
    ("/machinegroups/{name}", {"GET": GROUP.get, "PUT": GROUP.update, "DELETE": GROUP.delete}),
    ("/machinegroups/{name}/machines", {"GET": collecting.machines}),
    ("/machinegroups/{name}/configs", {"GET": collecting.configs_of_group}),
    (
        "/machinegroups/{name}/configs/{config}",
        {"PUT": collecting.apply, "DELETE": collecting.remove},
    ),
    ("/tag", {"POST": tags.put}),
    ("/untag", {"POST": tags.remove}),
    ("/tags", {"GET": tags.list_all}),
    ("/loghub/v1/keys", {"POST": keys.create, "GET": keys.list_keys}),
    ("/loghub/v1/quotas", {"GET": quotas.get, "PUT": quotas.update}),
    ("/loghub/v1/keys/{key}", {"DELETE": keys.delete}),
    ("/loghub/v1/tokens", {"POST": tokens.create}),
)

OPEN: Final[tuple[tuple[str, dict[str, Handler]], ...]] = (
    ("/logstores/{logstore}/track", {"GET": tracking.get, "POST": tracking.post}),
    ("/logstores/{logstore}/track.gif", {"GET": tracking.image}),
    ("/logstores/{logstore}/track_ua.gif", {"GET": tracking.image_with_agent}),
)
"""Those that need no key: the Logstore itself says whether it allows them."""
