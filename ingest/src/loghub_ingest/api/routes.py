"""Which path and method is whose."""

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
    shards,
    tags,
    tracking,
    writing,
)
from loghub_ingest.api.collecting import CONFIG, GROUP, PIPELINE
from loghub_ingest.requests import Call

Handler = Callable[[Call], Awaitable[Response]]


async def _get(call: Call) -> Response:
    # The same path shows the Logstore's document, or searches it when a type is given.
    return await (querying.get(call) if "type" in call.query else logstores.get(call))


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
            "POST": writing.put,
        },
    ),
    ("/logstores/{logstore}/logs", {"POST": querying.post}),
    (
        "/logstores/{logstore}/index",
        {
            "POST": logstores.create_index,
            "GET": logstores.get_index,
            "PUT": logstores.update_index,
            "DELETE": logstores.delete_index,
        },
    ),
    ("/logstores/{logstore}/shards", {"GET": shards.list_all}),
    ("/logstores/{logstore}/shards/lb", {"POST": writing.put}),
    ("/logstores/{logstore}/shards/route", {"POST": writing.put_by_key}),
    (
        "/logstores/{logstore}/shards/{shard}",
        {"GET": pulling.shard, "POST": shards.change, "DELETE": shards.delete},
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
    ("/loghub/v1/keys/{key}", {"DELETE": keys.delete}),
)

OPEN: Final[tuple[tuple[str, dict[str, Handler]], ...]] = (
    ("/logstores/{logstore}/track", {"GET": tracking.get, "POST": tracking.post}),
    ("/logstores/{logstore}/track.gif", {"GET": tracking.image}),
    ("/logstores/{logstore}/track_ua.gif", {"GET": tracking.image_with_agent}),
)
"""Those that need no key: the Logstore itself says whether it allows them."""
