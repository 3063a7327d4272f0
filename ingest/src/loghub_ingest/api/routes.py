"""Which path and method is whose."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import Response

from loghub_ingest.api import keys, logstores, projects, pulling, querying, writing
from loghub_ingest.requests import Call

Handler = Callable[[Call], Awaitable[Response]]


async def _get(call: Call) -> Response:
    # The same path shows the Logstore's document, or searches it when a type is given.
    return await (querying.get(call) if "type" in call.query else logstores.get(call))


async def _get_index(call: Call) -> Response:
    # Java and the OpenAPI clients ask for histograms on the index's path.
    return await (querying.get(call) if "type" in call.query else logstores.get_index(call))


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
    ("/logs", {"GET": querying.over_project}),
    ("/logstores/{logstore}/logs", {"POST": querying.post}),
    (
        "/logstores/{logstore}/index",
        {
            "POST": logstores.create_index,
            "GET": _get_index,
            "PUT": logstores.update_index,
            "DELETE": logstores.delete_index,
        },
    ),
    ("/logstores/{logstore}/shards", {"GET": logstores.list_shards}),
    ("/logstores/{logstore}/shards/lb", {"POST": writing.put}),
    ("/logstores/{logstore}/shards/route", {"POST": writing.put_by_key}),
    ("/logstores/{logstore}/shards/{shard}", {"GET": pulling.shard}),
    ("/loghub/v1/keys", {"POST": keys.create, "GET": keys.list_keys}),
    ("/loghub/v1/keys/{key}", {"DELETE": keys.delete}),
)
