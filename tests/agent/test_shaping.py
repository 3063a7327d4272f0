"""From a container's file to fields in a Logstore: the real agent and the real service."""

import asyncio
import json
import pathlib
import sys
import urllib.request

import pytest
import yaml

from harness import ingest, ports
from loghub_agent import _core, planning
from loghub_agent.config import plan

PROJECT = "shaping"
ACCESS = (
    '10.1.168.193 - - [01/Mar/2012:16:12:07 +0800] "GET /a?b=1 HTTP/1.1" 200 5 "-" "Mozilla/5.0"'
)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = ingest.Service(tmp_path_factory.mktemp("service") / "data")
    running.start()
    asyncio.run(_create(running))
    yield running
    running.stop()


async def _create(service):
    async with service.client() as client:
        await client.create_project(PROJECT)


class Stand:
    """Files of one container, pipelines for it, and what arrives."""

    def __init__(self, home, service, logstore):
        self.home, self.service, self.logstore = home, service, logstore
        self.folder = home / "pods" / "shop_web-1_uid-1" / "app"
        self.folder.mkdir(parents=True)
        (home / "pipelines").mkdir()
        key = ingest.ROOT_KEY
        document = {
            "key": {
                "accessKeyId": key.access_key_id,
                "accessKeySecret": key.access_key_secret,
            }
        }
        (home / "credentials.yaml").write_text(yaml.safe_dump(document))

    def pipeline(self, **spec):
        destination = {
            "endpoint": self.service.url, "project": PROJECT, "logstore": self.logstore,
            "region": "loghub", "credentialsSecret": "key",
        }  # fmt: skip
        document = {
            "apiVersion": "loghub.dev/v1alpha1",
            "kind": "LogPipeline",
            "metadata": {"name": "web"},
            "spec": {"version": 1, "destination": destination, "input": {"stdout": {}}, **spec},
        }
        (self.home / "pipelines" / "web.yaml").write_text(yaml.safe_dump(document))

    def write(self, *lines, stream="stdout"):
        with (self.folder / "0.log").open("a") as file:
            for line in lines:
                file.writelines(
                    f"2024-01-01T00:00:00.5Z {stream} F {part}\n" for part in line.split("\n")
                )

    def command(self, *more):
        return [
            sys.executable, "-m", "loghub_agent", "run", "--pipelines",
            str(self.home / "pipelines"), "--state", str(self.home / "state"), "--credentials",
            str(self.home / "credentials.yaml"), "--pods-dir", str(self.home / "pods"),
            "--node-name", "node-1", *more,
        ]  # fmt: skip

    async def collect(self):
        """Run an agent to its end; gives its exit status and what it said."""
        pipe = asyncio.subprocess.PIPE
        agent = await asyncio.create_subprocess_exec(*self.command("--once"), stderr=pipe)
        _, said = await asyncio.wait_for(agent.communicate(), 60)
        return agent.returncode, said.decode()

    async def arrived(self):
        logs = []
        async with self.service.client() as client:
            for shard in await client.list_shards(PROJECT, self.logstore):
                number = int(shard["shardID"])
                cursor = await client.get_cursor(PROJECT, self.logstore, number, "begin")
                while True:
                    pulled = await client.pull_logs(PROJECT, self.logstore, number, cursor)
                    if pulled.next_cursor == cursor:
                        break
                    logs += [log for group in pulled.groups for log in group.logs]
                    cursor = pulled.next_cursor
        return logs


@pytest.fixture
async def stand(tmp_path, service, request):
    logstore = f"store-{abs(hash(request.node.name)) % 10**9}"
    async with service.client() as client:
        document = {"logstoreName": logstore, "ttl": 1, "shardCount": 1}
        await client.create_logstore(PROJECT, document)
    return Stand(tmp_path, service, logstore)


def fields(log):
    return {key: value for key, value in log.contents if key not in {"_time_", "_source_"}}


async def test_access_log_arrives_as_fields_at_its_own_time(stand):
    stand.pipeline(
        parser={"nginx": {"logFormat": "combined"}},
        time={"key": "time_local", "format": "%d/%b/%Y:%H:%M:%S %z"},
        processors=[
            {"mask": {"key": "remote_addr", "pattern": r"\.(\d+)$", "replacement": "0"}},
            {"remove": ["time_local", "remote_user"]},
            {"add": {"site": "shop"}},
            {"filter": {"exclude": {"request_uri": "^/healthz"}}},
        ],
    )
    stand.write(ACCESS, ACCESS.replace("/a?b=1", "/healthz"), "no access log")
    status, said = await stand.collect()
    assert status == 0, said
    good, bad = await stand.arrived()
    assert fields(good) == {
        "remote_addr": "10.1.168.0", "request_method": "GET", "request_uri": "/a?b=1",
        "request_protocol": "HTTP/1.1", "status": "200", "body_bytes_sent": "5",
        "http_referer": "-", "http_user_agent": "Mozilla/5.0", "site": "shop",
    }  # fmt: skip
    assert good.time == 1330589527
    assert fields(bad) == {"__raw_log__": "no access log", "site": "shop"}
    assert bad.time == 1704067200


async def test_pretty_printed_json_is_one_record_with_fields(stand):
    stand.pipeline(multiline={"preset": "JSON"}, parser={"json": {"maxDepth": 2}})
    stand.write('{\n  "level": "warn",\n  "cart": {"items": 2}\n}', '{"level": "info"}')
    status, said = await stand.collect()
    assert status == 0, said
    found = [fields(log) for log in await stand.arrived()]
    assert found == [{"level": "warn", "cart.items": "2"}, {"level": "info"}]


async def test_pattern_that_cannot_be_compiled_is_refused_by_field_and_nothing_is_read(stand):
    stand.pipeline(parser={"regex": {"pattern": "(?=a)(b)", "keys": ["a"]}})
    stand.write("b")
    status, said = await stand.collect()
    assert status == 1
    assert "parser.regex.pattern is no usable pattern: look-around" in said
    assert await stand.arrived() == []


async def test_parse_errors_and_dropped_lines_are_counted_and_a_changed_parser_is_taken_up(
    stand, until
):
    stand.pipeline(
        parser={"json": {}},
        processors=[{"filter": {"include": {"level": "ERROR"}}}],
        onParseError="Drop",
    )
    stand.write('{"level": "INFO"}', "plain", '{"level": "ERROR"}')
    port = ports.free_port()
    command = stand.command("--admin-listen", f"127.0.0.1:{port}")
    agent = await asyncio.create_subprocess_exec(*command)
    try:

        def metrics():
            try:
                page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)
            except OSError:
                return ""
            with page:
                return page.read().decode()

        await until(lambda: 'parse_errors_total{pipeline="web",reason="bad_json"} 1.0' in metrics())
        explain = [*stand.command()[:3], "explain", "app", "--admin", f":{port}"]
        pipe = asyncio.subprocess.PIPE
        asking = await asyncio.create_subprocess_exec(*explain, stdout=pipe)
        said, _ = await asyncio.wait_for(asking.communicate(), 60)
        assert asking.returncode == 0
        assert b"taken by   web (generation 1)" in said
        assert b"lines that could not be parsed: 1 bad_json" in said
        page = metrics()
        for reason in ("filter", "parse_error"):
            sample = f'loghub_agent_dropped_lines_total{{pipeline="web",reason="{reason}"}} 1.0'
            assert sample in page
        stand.pipeline(parser={"keyValue": {}})
        await until(lambda: "loghub_agent_plans_total 2.0" in metrics())
        stand.write("user=u1 n=5")
        await until(lambda: 'sent_lines_total{pipeline="web"} 2.0' in metrics())
    finally:
        agent.terminate()
        assert await asyncio.wait_for(agent.wait(), 60) == 0
    found = [fields(log) for log in await stand.arrived()]
    assert found == [{"level": "ERROR"}, {"user": "u1", "n": "5"}]


GOLDEN = sorted((pathlib.Path(__file__).parents[1] / "operator" / "golden").glob("*.yaml"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_what_the_operator_compiles_is_what_the_agent_runs(path, tmp_path):
    document = yaml.safe_load(path.read_text())["pipeline"]
    pipeline = plan.resolve(document, name="golden", namespace="loghub", generation=1)
    core = _core.Core(str(tmp_path), "{}")
    text = planning.build([pipeline], [], pods_dir="/var/log/pods", node="node-1").text
    assert json.loads(core.apply(text)) == {"failed": {}}
    core.close()


def tried(pipeline, *lines):
    rules = json.loads(f"{{{pipeline.head}}}")
    rules = {key: rules[key] for key in ("multiline", "shaping")}
    return json.loads(_core.try_lines(json.dumps(rules), list(lines), (1704067200, 5)))


def test_sample_lines_run_through_the_real_joiner_and_parser(make_pipeline):
    pipeline = make_pipeline(
        multiline={"preset": "Java"},
        parser={"regex": {"pattern": "(?s)(?P<level>[A-Z]+) (?P<message>.*)"}},
        processors=[{"filter": {"exclude": {"level": "DEBUG"}}}],
    )
    lines = ["ERROR failed", "java.lang.Error: x", "\tat A.b(A.java:1)", "DEBUG no", "?"]
    trace, debug, bad = tried(pipeline, *lines)
    assert trace["record"] == "\n".join(lines[:3])
    assert trace["fields"][0] == ["level", "ERROR"]
    assert trace["time"] == [1704067200, 5]
    assert (debug["dropped"], debug["fields"]) == ("filter", [])
    assert (bad["fault"], bad["fields"]) == ("no_match", [["__raw_log__", "?"]])


def test_sample_lines_of_rules_that_cannot_be_used_say_which(make_pipeline):
    pipeline = make_pipeline(parser={"grok": {"pattern": "%{NOPE:x}"}})
    with pytest.raises(ValueError, match=r"parser\.grok\.pattern: %\{NOPE\} is not known"):
        tried(pipeline, "a")
