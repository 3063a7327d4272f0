"""What the shop's programs print, each in its own format. Pure: a span of time in, lines out."""

import datetime as dt
import json
from collections.abc import Callable, Iterator

import world

Line = tuple[int, str, str]
"""When, on which stream, and the text."""

ZONE = dt.timezone(dt.timedelta(hours=8))


def _at(seconds: int, form: str) -> str:
    return dt.datetime.fromtimestamp(seconds, ZONE).strftime(form)


def server(terminal: str, begin: int, end: int) -> Iterator[Line]:
    """Nginx in front of one terminal: the access log on stdout, the error log on stderr."""
    agent = {"wechat": "MicroMessenger/8.0", "alipay": "AlipayClient/10.6"}.get(terminal, "Firefox")
    for each in world.visits(begin, end):
        if each.terminal != terminal:
            continue
        client = f"10.1.{each.number % 250}.{each.courier}"
        stamp = _at(each.time, "%d/%b/%Y:%H:%M:%S %z")
        path = f"/login?source={each.source}&ref={each.ref}"
        broken = each.orders and each.reason == "system error"
        yield (
            each.time,
            "stdout",
            f'{client} - - [{stamp}] "GET {path} HTTP/1.1" {502 if broken else 200} '
            f'{each.amount * 31} "-" "Mozilla/5.0 {agent}"',
        )
        if broken:
            yield (
                each.time,
                "stderr",
                f"{_at(each.time, '%Y/%m/%d %H:%M:%S')} [error] 26671#0: *{each.number} connect() "
                "to unix:/tmp/fastcgi.socket failed (111: Connection refused) while connecting to "
                f'upstream, client: {client}, server: , request: "POST /order HTTP/1.1", upstream: '
                '"fastcgi://unix:/tmp/fastcgi.socket:", host: "myorder.example.com"',
            )


def application(terminal: str, begin: int, end: int) -> Iterator[Line]:
    """The application behind it: one pretty-printed JSON object for each call."""
    for event in world.events(begin, end):
        found = event.visit
        if found.terminal != terminal or event.state not in {"created", "failed"}:
            continue
        call = {
            "time": _at(event.time, "%Y-%m-%d %H:%M:%S"),
            "localAddress": "10.178.93.88:0",
            "methodName": "create" if event.state == "created" else "reject",
            "param": [found.order],
            "result": found.reason or "ok",
            "serviceName": "com.example.order",
            "startTime": event.time * 1000,
            "success": event.state == "created",
            "traceInfo": f"88_{found.session}_{found.number}",
        }
        yield event.time, "stdout", json.dumps(call, indent=4)


def coupon(begin: int, end: int) -> Iterator[Line]:
    """Registrations by QR code, each with its channel."""
    for each in world.visits(begin, end):
        stamp = _at(each.time, "%Y-%m-%d %H:%M:%S")
        text = f"{stamp} {each.session},{each.source},{each.ref},{each.coupon}"
        yield each.time, "stdout", text


def courier(begin: int, end: int) -> Iterator[Line]:
    """Couriers' devices: their system log on stdout, errors of the app on stderr."""
    for event in world.events(begin, end):
        found = event.visit
        if event.state in {"picked", "delivered"}:
            stamp = _at(event.time, "%b %e %H:%M:%S")
            text = f"{stamp} courier-{found.courier} Deliver[9676]: order={found.order} "
            yield event.time, "stdout", text + f"state={event.state} area={found.area}"
        elif event.state == "failed" and found.reason == "out of area":
            stamp = _at(event.time, "%Y/%m/%d %H:%M:%S")
            yield (
                event.time,
                "stderr",
                f"{stamp} :/srv/deliver/routes/assign.php:329 [thread:{found.courier}] "
                f"errorcode:20045 message:no courier for {found.order} in {found.area}",
            )


PROGRAMS: dict[str, Callable[[int, int], Iterator[Line]]] = {
    "wechat-server": lambda begin, end: server("wechat", begin, end),
    "wechat-app": lambda begin, end: application("wechat", begin, end),
    "alipay-server": lambda begin, end: server("alipay", begin, end),
    "alipay-app": lambda begin, end: application("alipay", begin, end),
    "server-access": lambda begin, end: server("web", begin, end),
    "coupon": coupon,
    "deliver": courier,
}
"""What `run.py NAME` prints."""
