"""The client against a bare HTTP server that shows faults a healthy service never does."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from slswire import errors
from slswire.client import Client, Endpoint
from slswire.signature import Credentials

Handler = Callable[[web.Request], Awaitable[web.Response]]
KEY = Credentials("id", "secret")


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    runners = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        return f"http://{host}:{port}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def refused(url: str) -> errors.SlsError:
    async with Client(Endpoint(url), KEY) as client:
        with pytest.raises(errors.SlsError) as caught:
            await client.get_project("shop")
    return caught.value


async def test_error_answer_keeps_code_sentence_and_request_id(serve):
    async def answer(_request: web.Request) -> web.Response:
        body = {"errorCode": "ProjectNotExist", "errorMessage": "The Project does not exist : shop"}
        return web.json_response(body, status=404, headers={"x-log-requestid": "ABC"})

    fault = await refused(await serve(answer))

    assert (fault.code, fault.status, fault.request_id) == ("ProjectNotExist", 404, "ABC")
    assert "ABC" in str(fault)


async def test_page_of_a_proxy_instead_of_an_error_document_is_quoted(serve):
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>Bad gateway</html>")

    fault = await refused(await serve(answer))

    assert fault.code == "ServerBusy"
    assert "Bad gateway" in fault.message


async def test_redirect_is_an_error_and_not_followed(serve):
    async def answer(request: web.Request) -> web.Response:
        assert request.path == "/"
        return web.Response(status=302, headers={"location": "/elsewhere"})

    assert (await refused(await serve(answer))).status == 302


async def test_answer_that_is_no_json_asks_whether_this_is_the_service(serve):
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="welcome")

    assert "SLS service" in (await refused(await serve(answer))).message


async def test_project_stands_in_the_header_and_is_signed(serve):
    seen = {}

    async def answer(request: web.Request) -> web.Response:
        seen.update({name.lower(): value for name, value in request.headers.items()})
        return web.json_response({"projectName": "shop"})

    async with Client(Endpoint(await serve(answer)), KEY) as client:
        assert await client.get_project("shop") == {"projectName": "shop"}

    assert seen["x-log-project"] == "shop"
    assert seen["authorization"].startswith("SLS4-HMAC-SHA256 Credential=id/")


def test_project_in_the_host_is_its_first_label():
    assert Endpoint("https://a.b:81", project_in="Host").origin("shop") == "https://shop.a.b:81"
    assert Endpoint("https://a.b:81", project_in="Host").origin("") == "https://a.b:81"
