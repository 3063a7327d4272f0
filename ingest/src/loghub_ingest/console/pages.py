"""The pages themselves: Jinja2 templates, every value escaped, and the files that they load.

A page is the same for everybody and holds nothing of a project; its script asks for that with the
session's cookie. So a link from elsewhere works although such a visit brings no cookie along.
"""

import dataclasses
import hashlib
import importlib.resources
import mimetypes
from typing import Final

import jinja2
from starlette.requests import Request
from starlette.responses import Response

from loghub_ingest import __version__
from loghub_ingest.console import protection
from slswire import limits

_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("loghub_ingest.console"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


@dataclasses.dataclass(frozen=True, slots=True)
class _Asset:
    """A file as it is sent; its tag changes with its content."""

    content: bytes
    kind: str
    tag: str


def _assets() -> dict[str, _Asset]:
    found = {}
    for path in (importlib.resources.files("loghub_ingest.console") / "assets").iterdir():
        content = path.read_bytes()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        found[path.name] = _Asset(content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
    return found


_ASSETS: Final = _assets()
SCRIPTS: Final = tuple(sorted(name for name in _ASSETS if name.endswith(".js")))


def page(request: Request, name: str, status: int = 200, **values: object) -> Response:
    """The page of a template."""
    text = _TEMPLATES.get_template(name).render(
        version=__version__,
        unsafe=not protection.is_encrypted(request) and not _is_local(request),
        **values,
    )
    return Response(text, status, {"cache-control": "no-store"}, "text/html")


async def stores(request: Request) -> Response:
    """`GET /console/`: projects and their Logstores."""
    return page(request, "stores.html")


async def search(request: Request) -> Response:
    """`GET /console/search/PROJECT/LOGSTORE`."""
    return _of_store(request, "search.html")


async def settings(request: Request) -> Response:
    """`GET /console/settings/PROJECT/LOGSTORE`."""
    return _of_store(request, "settings.html")


async def asset(request: Request) -> Response:
    """`GET /console/assets/NAME`: asked for each time, sent when it changed."""
    found = _ASSETS.get(request.path_params["name"])
    if found is None:
        return missing(request)
    sent = {"etag": found.tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=sent)
    return Response(found.content, headers=sent, media_type=found.kind)


def missing(request: Request) -> Response:
    """What is not there."""
    return page(
        request, "problem.html", 404, title="Not found", sentence="The console has no such page."
    )


def _of_store(request: Request, name: str) -> Response:
    project, logstore = request.path_params["project"], request.path_params["logstore"]
    if not (limits.is_project_name(project) and limits.is_logstore_name(logstore)):
        return missing(request)
    return page(request, name, project=project, logstore=logstore)


def _is_local(request: Request) -> bool:
    host = request.headers.get("host", "").lower()
    return host.removesuffix(f":{host.rpartition(':')[2]}") in _LOOPBACK or host in _LOOPBACK
