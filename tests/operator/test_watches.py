"""Watches that go silent, break, crawl or lie: the operator knows the world again soon after.

The real watching part over a real API server, with a real proxy between them. A watch's patience is
shortened, since the real one is a minute; that the real one makes 90 s is a sum, and `make soak`
measures it.
"""

import asyncio
import contextlib
import inspect
import itertools
import time

import pytest

import proxying
from loghub_operator import cache, events, kinds, measuring, reporting, running, watching
from loghub_operator import cluster as clusters
from loghub_operator.reconciling import context, permitting
from stage import workloads

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(300)]

SYSTEM = "loghub-system"
PATIENCE = 3.0


class Follower:
    """The operator's watches and its cache, without work on what they say."""

    def __init__(self, api: clusters.Cluster, silent: float) -> None:
        settings = context.Settings(SYSTEM, "agent:1", "", "root", None)
        self.ctx = context.Context(
            settings, api, cache.Cache(), events.Events(api), reporting.Reports(SYSTEM),
            permitting.Permits(api),
        )  # fmt: skip
        self.operator = running.Operator(self.ctx, silent=silent)

    def has(self, name: str, namespace: str) -> bool:
        return self.ctx.cache.get(kinds.CONFIG, name, namespace) is not None

    async def until(self, name: str, namespace: str, *, there: bool = True, seconds: float = 60):
        begun = time.monotonic()
        while self.has(name, namespace) != there:
            assert time.monotonic() - begun < seconds, (name, there)
            await asyncio.sleep(0.05)
        return time.monotonic() - begun


@contextlib.asynccontextmanager
async def following(proxy: proxying.Proxy, silent: float):
    api = await clusters.connect(str(proxy.kubeconfig))
    follower = Follower(api, silent)
    watch = asyncio.create_task(follower.operator.watch(asyncio.Event()))
    try:
        await asyncio.wait_for(follower.operator.known.wait(), 60)
        yield follower
        assert not watch.done()
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
        await api.close()
        await asyncio.sleep(proxying.CLOSING_SECONDS)


@pytest.fixture
async def proxy(control_plane, cluster, tmp_path):
    async with proxying.Proxy(control_plane, tmp_path) as running_proxy:
        yield running_proxy


@pytest.fixture
async def follower(proxy):
    async with following(proxy, PATIENCE) as found:
        yield found


@pytest.fixture
def write(cluster, namespace):
    """`write(NAME)` makes a LogConfig behind the proxy's back, `write(NAME, gone=True)` ends it."""

    def act(name: str, *, gone: bool = False) -> tuple[str, str]:
        if gone:
            cluster.delete("LogConfig", name, namespace)
        else:
            cluster.apply(workloads.config(name, namespace, "lines"))
        return name, namespace

    return act


async def test_watch_follows_what_comes_changes_and_goes(follower, write):
    await follower.until(*write("one"))
    await follower.until(*write("one", gone=True), there=False)


async def test_silent_watches_are_begun_anew_and_nothing_is_missed(follower, proxy, write):
    await follower.until(*write("old"))
    proxy.stall(for_ever=True)
    write("old", gone=True)
    await follower.until(*write("new"))
    await follower.until("old", write("other")[1], there=False)


async def test_network_that_swallows_everything_for_a_while_is_caught_up_with(
    follower, proxy, write
):
    proxy.stall()
    place = write("meanwhile")
    await asyncio.sleep(2 * PATIENCE)
    assert not follower.has(*place)
    proxy.heal()
    await follower.until(*place)


async def test_cut_watches_go_on_where_they_were(follower, proxy, write):
    await follower.until(*write("old"))
    for _ in range(3):
        proxy.cut()
        await asyncio.sleep(0.2)
    write("old", gone=True)
    await follower.until(*write("new"))
    await follower.until("old", write("other")[1], there=False)


async def test_slow_watch_is_followed_and_not_given_up(follower, proxy, write):
    proxy.delay = 1.0
    await follower.until(*write("slow"))


async def test_expired_version_brings_a_whole_list_and_the_deleted_are_forgotten(
    follower, proxy, write
):
    await follower.until(*write("old"))
    # What the API server itself says to somebody who was away for too long.
    proxy.rewrite = lambda request: (
        dict(request.query) | ({"resourceVersion": "1"} if proxying.is_watch(request) else {})
    )
    proxy.stall(for_ever=True)
    write("old", gone=True)
    await follower.until("old", write("new")[1], there=False)
    proxy.heal()
    await follower.until(*write("after"))


@pytest.mark.parametrize(
    ("code", "reason", "headers"),
    [
        (429, "TooManyRequests", {"Retry-After": "1"}),
        (500, "InternalError", {}),
        (503, "ServiceUnavailable", {}),
        (403, "Forbidden", {}),
        (410, "Expired", {}),
    ],
)
async def test_api_server_that_refuses_for_a_while_ends_no_watch(
    follower, proxy, write, code, reason, headers
):
    await follower.until(*write("old"))
    proxy.refuse = proxying.Times(12, lambda: proxying.status(code, reason, **headers))
    proxy.cut()
    write("old", gone=True)
    await follower.until("old", write("new")[1], there=False)
    await follower.until("new", write("other")[1])


@pytest.mark.parametrize("code", [410, 429, 500])
async def test_error_within_a_watch_ends_no_operator(follower, proxy, write, code):
    await follower.until(*write("old"))
    error = {"kind": "Status", "code": code, "reason": "Expired", "message": "said the proxy"}
    await proxy.say({"type": "ERROR", "object": error})
    write("old", gone=True)
    await follower.until("old", write("new")[1], there=False)
    await follower.until("new", write("other")[1])


async def test_api_server_that_is_restarted_is_followed_again(
    follower, control_plane, proxy, write
):
    await follower.until(*write("old"))
    await asyncio.to_thread(control_plane.stop)
    await asyncio.to_thread(control_plane.start)
    write("old", gone=True)
    await follower.until(*write("new"))
    await follower.until("old", write("other")[1], there=False)


async def test_lists_are_taken_by_us_and_name_nothing_to_kopf(follower, proxy):
    for kind in kinds.WATCHED:
        lists = [each for each in proxy.requests if each.startswith(f"GET {kind.path()}?")]
        lists = [each for each in lists if "watch=" not in each]
        # Ours has a limit; kopf's is the only other one, and asks for a name that nothing has.
        others = [each for each in lists if "limit=" not in each]
        assert len(lists) > len(others)
        assert set(others) == {f"GET {kind.path()}?fieldSelector=metadata.name%3D-"}


def age_of(plural: str) -> float:
    """The metric of a watch's age."""
    [family] = measuring.WATCH_AGE.collect()
    [found] = [each.value for each in family.samples if each.labels["kind"] == plural]
    return float(found)


async def test_bookmark_is_heard_though_no_handler_is_told(proxy, cluster):
    plural = kinds.CONFIG.plural
    async with following(proxy, 240.0):
        async with asyncio.timeout(60):
            while proxy.watches < len(kinds.WATCHED) or age_of(plural) < 2.0:  # noqa: ASYNC110 - neither tells anybody
                await asyncio.sleep(0.05)
            version = cluster.call("GET", kinds.CONFIG.path())["metadata"]["resourceVersion"]
            metadata = {"metadata": {"resourceVersion": version}}
            await proxy.say({"type": "BOOKMARK", "object": {"kind": "LogConfig", **metadata}})
            while age_of(plural) > 1.0:  # noqa: ASYNC110 - the metric tells nobody
                await asyncio.sleep(0.05)


def test_silence_and_the_pauses_after_it_are_less_than_90_seconds():
    found = watching.settings()
    silent = found.watching.inactivity_timeout
    pauses = list(itertools.islice(found.networking.error_backoffs, 1000))
    assert found.watching.server_timeout < found.watching.client_timeout
    # It is silent; then one attempt meets the last of a fault, and the next one succeeds.
    assert silent + found.watching.reconnect_backoff + max(pauses) + (
        found.watching.connect_timeout
    ) < 90  # fmt: skip
    assert not inspect.isgenerator(found.networking.error_backoffs)


@pytest.mark.soak
@pytest.mark.timeout(400)
async def test_silent_watch_recovers_within_90_seconds_by_the_real_clock(proxy, write):
    async with following(proxy, watching.SILENT_SECONDS) as follower:
        await follower.until(*write("old"))
        proxy.stall(for_ever=True)
        write("old", gone=True)
        assert await follower.until(*write("new"), seconds=90) < 90
