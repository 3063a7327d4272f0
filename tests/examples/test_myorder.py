"""Each question of the shop, asked as its README asks, answered as the story says it must be."""

import collections
import importlib.util
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

from harness import binaries

HERE = pathlib.Path(__file__).parent
_SPEC = importlib.util.spec_from_file_location("myorder_fixtures", HERE / "conftest.py")
assert _SPEC is not None
assert _SPEC.loader is not None
fixtures = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fixtures)

sys.path.insert(0, str(fixtures.EXAMPLE / "programs"))

import lines  # noqa: E402 - the example's own modules, found by the line above
import world  # noqa: E402 - likewise

THIRTEEN = {
    *("wechat-server", "wechat-app", "wechat-error", "alipay-server", "alipay-app", "deliver-app"),
    *("deliver-error", "web-click", "server-access", "server-app", "coupon", "pay", "order"),
}
STREAMS = {
    **{name: (name, "stdout") for name in lines.PROGRAMS if name != "deliver"},
    "wechat-error": ("wechat-server", "stderr"),
    "deliver-app": ("deliver", "stdout"),
    "deliver-error": ("deliver", "stderr"),
}
"""Logstore to the program and stream that it is filled from."""


def questions() -> dict[str, list[list[str]]]:
    """Heading to the commands below it, in words without `kubectl`."""
    text = (fixtures.EXAMPLE / "README.md").read_text()
    found: dict[str, list[list[str]]] = {}
    for section in re.split(r"(?m)^## ", text)[1:]:
        heading, _, body = section.partition("\n")
        block = "".join(re.findall(r"(?ms)^```sh\n(.*?)^```", body))
        found[heading] = [shlex.split(line)[2:] for line in block.splitlines()]
    return found


def answers(shop, heading: str, store: str) -> list[dict[str, str]]:
    """What the README's command for a store answers."""
    [command] = [each for each in questions()[heading] if each[:2] == ["search", store]]
    words = [each for each in command if each not in ("-n", "myorder")]
    words[words.index("--since") + 1] = "2h"
    done = shop.loghub(*words, "-o", "json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def created(shop) -> list[world.Visit]:
    return [e.visit for e in world.events(shop.begin, shop.end) if e.state == "created"]


def delivered(shop) -> list[world.Visit]:
    """Orders that were both sent and delivered within the span."""
    sent = {each.number for each in created(shop)}
    found = [e.visit for e in world.events(shop.begin, shop.end) if e.state == "delivered"]
    return [each for each in found if each.number in sent]


def events(shop) -> list[world.Event]:
    return world.events(shop.begin, shop.end)


def printed(shop, store: str) -> list[str]:
    program, stream = STREAMS[store]
    return [t for _, s, t in lines.PROGRAMS[program](shop.begin, shop.end) if s == stream]


def test_the_project_has_the_thirteen_stores_and_one_between():
    found = {
        each["metadata"]["name"]
        for each in fixtures.manifests("1-stores.yaml")
        if each["kind"] == "LogStore"
    }
    assert found == THIRTEEN | {"delivery"}


@pytest.mark.parametrize("store", sorted(STREAMS))
def test_every_line_arrives_once_and_parsed(shop, store):
    wanted = printed(shop, store)
    assert wanted
    assert fixtures.until(shop, store, len(wanted)) == len(wanted)
    assert fixtures.found(shop, store, "__raw_log__: *") == []


def test_payments_of_the_program_in_c_arrive_whole(shop):
    sent = created(shop)
    assert fixtures.until(shop, "pay", len(sent)) == len(sent)
    assert fixtures.found(shop, "pay", "__raw_log__: *") == []
    rows = fixtures.found(shop, "pay", "* | SELECT result, count(*) AS n GROUP BY result")
    declined = sum(each.reason == "payment declined" for each in sent)
    assert declined
    told = {row["result"]: int(row["n"]) for row in rows}
    assert told == {"declined": declined, "paid": len(sent) - declined}
    [one] = fixtures.found(shop, "pay", f'order: "{sent[0].order}"')
    assert (one["__FILE__"], one["amount"]) == ("payment.c", str(sent[0].amount))
    source = (fixtures.EXAMPLE / "payment" / "payment.c").read_text().splitlines()
    assert "DEBUG_LOG" in source[int(one["__LINE__"]) - 1]


def test_the_program_in_java_traces_on_stdout_and_logs_by_its_appender(shop):
    told = events(shop)
    traced, logged = "item: *", "__topic__: core"
    assert fixtures.until(shop, "server-app", len(told), traced) == len(told)
    assert fixtures.until(shop, "server-app", len(told), logged) == len(told)
    assert fixtures.found(shop, "server-app", "__raw_log__: *") == []
    failed = [each for each in told if each.visit.reason == "system error"]
    failed = [each for each in failed if each.state == "failed"]
    errors = fixtures.found(shop, "server-app", f"{logged} and level: ERROR")
    assert {each["order"] for each in errors} == {each.visit.order for each in failed}
    for each in errors:
        assert each["throwable"].startswith("myorder.Core$OrderFailedException: no answer for o")
        assert "java.io.IOException: connect()" in each["throwable"]
        assert each["session"] in {visit.visit.session for visit in failed}


def test_channels_are_told_apart_by_registrations_and_by_orders(shop):
    heading = "Which channel brings customers?"
    fixtures.until(shop, "coupon", len(printed(shop, "coupon")))
    registered = collections.Counter(v.source for v in world.visits(shop.begin, shop.end))
    got = {row["source"]: int(row["registrations"]) for row in answers(shop, heading, "coupon")}
    assert got == registered
    orders = collections.Counter(each.source for each in created(shop))
    revenue: collections.Counter[str] = collections.Counter()
    for each in created(shop):
        revenue[each.source] += each.amount
    rows = answers(shop, heading, "order")
    assert {row["source"]: int(row["orders"]) for row in rows} == orders
    assert {row["source"]: int(row["revenue"]) for row in rows} == revenue
    # What the README says of them.
    assert max(registered, key=registered.__getitem__) == "10001"
    assert max(orders, key=lambda source: orders[source] / registered[source]) == "10002"


def test_the_delay_is_found_in_the_kitchens_of_the_west(shop):
    wanted = delivered(shop)
    assert fixtures.until(shop, "delivery", len(wanted)) == len(wanted)
    rows = answers(shop, "Where is the delay?", "delivery")
    assert rows[0]["area"] == "west"
    for row in rows:
        here = [each for each in wanted if each.area == row["area"]]
        assert int(row["orders"]) == len(here)
        for number, phase in enumerate(world.PHASES):
            mean = sum(each.phases[number] for each in here) / len(here)
            assert float(row[phase]) == pytest.approx(mean, rel=1e-6)


def test_coupons_are_weighed_by_what_orders_with_them_are_worth(shop):
    rows = answers(shop, "Do coupons pay?", "order")
    by = collections.defaultdict(list)
    for each in created(shop):
        by[each.coupon or "none"].append(each.amount)
    assert {row["coupon"]: int(row["orders"]) for row in rows} == {k: len(v) for k, v in by.items()}
    for row in rows:
        mean = sum(by[row["coupon"]]) / len(by[row["coupon"]])
        assert float(row["worth"]) == pytest.approx(mean, rel=1e-6)


def test_peak_hours_are_counted_by_area(shop):
    rows = answers(shop, "When and where is the peak?", "order")
    assert sum(int(row["orders"]) for row in rows) == len(created(shop))
    counts = [int(row["orders"]) for row in rows]
    assert counts == sorted(counts, reverse=True)
    assert all(re.fullmatch(r"\d\d:00", row["hour"]) for row in rows)
    areas: collections.Counter[str] = collections.Counter()
    for row in rows:
        areas[row["area"]] += int(row["orders"])
    assert areas == collections.Counter(each.area for each in created(shop))


def test_failed_orders_are_traced_to_reasons_errors_and_clicks(shop):
    heading = "Why do orders fail?"
    failed = [e.visit for e in world.events(shop.begin, shop.end) if e.state == "failed"]
    got = {row["reason"]: int(row["orders"]) for row in answers(shop, heading, "order")}
    assert got == collections.Counter(each.reason for each in failed)
    errors = [each for each in failed if each.reason == "out of area"]
    fixtures.until(shop, "deliver-error", len(errors))
    rows = answers(shop, heading, "deliver-error")
    assert [(row["errorcode"], int(row["errors"])) for row in rows] == [("20045", len(errors))]
    fixtures.until(shop, "server-app", len(events(shop)), "__topic__: core")
    rows = answers(shop, heading, "server-app")
    got = {(row["level"], row["reason"]): int(row["orders"]) for row in rows}
    reasons = [each.reason for each in failed]
    assert got == collections.Counter(
        ("ERROR" if each == "system error" else "WARN", each) for each in reasons
    )
    fixtures.until(shop, "wechat-error", len(printed(shop, "wechat-error")))
    [level] = answers(shop, heading, "wechat-error")
    assert (level["level"], int(level["errors"])) == ("error", len(printed(shop, "wechat-error")))
    clicked = collections.Counter(
        click for each in world.visits(shop.begin, shop.clicks_end) for click in each.clicks
    )
    got = {row["click"]: int(row["clicks"]) for row in answers(shop, heading, "web-click")}
    assert got == clicked


def test_the_commands_that_show_lines_answer_too(shop):
    fixtures.until(shop, "pay", len(created(shop)))
    shown = [each for found in questions().values() for each in found if each[0] == "logs"]
    assert len(shown) == 3
    for command in shown:
        words = [each for each in command if each not in ("-n", "myorder")]
        words[words.index("--since") + 1] = "2h"
        done = shop.loghub(*words)
        assert done.returncode == 0, (words, done.stderr)
        assert done.stdout, words


def test_one_order_can_be_followed_through_the_stores(shop):
    one = delivered(shop)[0]
    for store in ("order", "pay", "delivery", "deliver-app", "server-app"):
        assert fixtures.found(shop, store, f'"{one.order}"'), store


def test_both_kinds_of_span_are_the_same_story(tmp_path):
    begin = 1_800_000_000
    whole = list(lines.coupon(begin, begin + 100))
    parts = [*lines.coupon(begin, begin + 37), *lines.coupon(begin + 37, begin + 100)]
    assert parts == whole
    program = fixtures.EXAMPLE / "programs" / "run.py"
    done = subprocess.run(
        [sys.executable, program, "coupon", "--begin=1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "--begin and --end go together" in done.stderr


def test_other_languages_read_the_story_that_is_told():
    table = (fixtures.EXAMPLE / "programs" / "story.csv").read_text().splitlines()
    assert table == list(world.table()), "python3 world.py > story.csv"


def test_the_java_program_is_tested_with_the_versions_that_it_names():
    def versions(path: pathlib.Path) -> dict[str, str]:
        found = r"<artifactId>(.*)</artifactId>\s*<version>(.*)</version>\s*</dependency>"
        return dict(re.findall(found, path.read_text()))

    named = versions(fixtures.EXAMPLE / "core" / "pom.xml")
    tested = versions(fixtures.ROOT / "tests" / "clients" / "maven" / "pom.xml")
    assert named
    assert named.items() <= tested.items()


@pytest.mark.skipif(shutil.which("go") is None, reason="kubectl is built from source by Go")
def test_the_example_renders_by_kustomize_with_every_program():
    command = [str(binaries.path("kubectl")), "kustomize", str(fixtures.EXAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = [each for each in yaml.safe_load_all(done.stdout) if each]
    made = {each["metadata"]["name"]: each for each in found if each["kind"] == "ConfigMap"}
    for name, config in made.items():
        folder = fixtures.EXAMPLE / name.rpartition("-")[0]
        assert set(config["data"]) == {each.name for each in folder.glob("*.*")}
    for each in found:
        if each["kind"] == "Deployment":
            pod = each["spec"]["template"]["spec"]
            volumes = [volume for volume in pod["volumes"] if "configMap" in volume]
            assert volumes[0]["name"] == "programs"
            assert {volume["configMap"]["name"] for volume in volumes} <= set(made)
