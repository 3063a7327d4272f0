"""A small API server that misbehaves on command, as the real one cannot be made to."""

import asyncio
import collections
import contextlib
import json

import pytest
from aiohttp import web

from loghub_agent.cluster import access, api, reflector

QUICK = reflector.Timing(
    watch_seconds=(30.0, 30.0),
    silence_seconds=0.3,
    list_seconds=2.0,
    overtime_seconds=5.0,
    backoff_seconds=(0.01, 0.05),
    hasty_seconds=0.05,
)


def line(event, name="", version="", **document):
    """One event of a watch as the server writes it."""
    document.setdefault("metadata", {"name": name, "resourceVersion": version})
    return json.dumps({"type": event, "object": document}).encode() + b"\n"


def expired():
    """The in-stream word that a resource version is gone."""
    return line("ERROR", kind="Status", code=410, message="too old resource version: 1 (2)")


class FaultyServer:
    """Answers lists and watches from two queues; an empty queue gives an empty list or silence."""

    def __init__(self):
        self.lists = collections.deque()
        self.watches = collections.deque()
        self.requests = []
        self.patches = []
        self.patch_statuses = collections.deque()
        self.released = asyncio.Event()
        self.url = ""

    def queries(self, *, watch):
        """The queries of all lists or all watches so far."""
        return [query for query in self.requests if ("watch" in query) == watch]

    async def answer(self, request):
        query = dict(request.query)
        self.requests.append(query)
        if "watch" in query:
            return await self.answer_watch(request)
        version, *names = self.lists.popleft() if self.lists else ("1",)
        if isinstance(version, int):
            body = {"kind": "Status", "code": version, "message": "no"}
            return web.json_response(body, status=version, headers=dict(names))
        items = [{"metadata": {"name": name, "resourceVersion": version}} for name in names]
        return web.json_response({"items": items, "metadata": {"resourceVersion": version}})

    async def answer_watch(self, request):
        steps = self.watches.popleft() if self.watches else [None]
        if isinstance(steps, int):
            return web.json_response({"message": "no"}, status=steps)
        response = web.StreamResponse()
        await response.prepare(request)
        for step in steps:
            if step is None:  # silence until the client or the test ends it
                await self.released.wait()
            elif step == "cut":
                request.transport.abort()
            else:
                await response.write(step)
        return response

    async def answer_patch(self, request):
        self.patches.append((request.path, dict(request.query), await request.json()))
        status = self.patch_statuses.popleft() if self.patch_statuses else 200
        return web.json_response({"message": "no"}, status=status)


@pytest.fixture
async def faulty():
    server = FaultyServer()
    application = web.Application()
    application.router.add_get("/things", server.answer)
    application.router.add_patch("/{path:.*}", server.answer_patch)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    server.released.set()
    await runner.cleanup()


@pytest.fixture
async def client(faulty):
    async with api.Api(access.Access(faulty.url), user_agent="test") as server:
        yield server


class Things:
    """A sink that keeps names and remembers what it was told."""

    name = "things"

    def __init__(self):
        self.names = set()
        self.told = []

    def parse(self, document):
        return document["metadata"]["name"]

    def replace(self, items):
        self.names = set(items)
        self.told.append("replace")

    def upsert(self, item):
        self.names.add(item)
        self.told.append(f"upsert {item}")

    def remove(self, item):
        self.names.discard(item)
        self.told.append(f"remove {item}")


@pytest.fixture
def things():
    return Things()


@pytest.fixture
def watch_line():
    return line


@pytest.fixture
def expired_line():
    return expired()


@pytest.fixture
async def reflected(client, things):
    """A reflector of /things, running."""
    watch = reflector.Reflector(client, "/things", things, selectors={"labelSelector": "a=b"},
                                timing=QUICK)  # fmt: skip
    task = None

    def start(resume=""):
        nonlocal task
        if resume:
            watch.resume(resume)
        task = asyncio.get_running_loop().create_task(watch.run())
        return watch

    yield start
    if task:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
