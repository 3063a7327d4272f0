"""`search | SQL` with the official SDK: the dialect, the bounds, and that nothing gets out."""

import json
import pathlib

import pytest
from aliyun.log import GetProjectLogsRequest, LogException

from loghub_ingest.search.sql import dialect, workers

PROJECT = "search-project"


@pytest.fixture
def shop(store):
    for at in range(4):
        store.put(
            *(
                {
                    "status": str(200 + 100 * (number % 3)),
                    "seconds": str(number / 4),
                    "method": "GET" if number % 2 else "POST",
                    "detail": json.dumps({"user": f"u{number % 5}", "items": number}),
                    "plain": "not indexed by name",
                }
                for number in range(30)
            ),
            at=at * 60,
            topic="web" if at % 2 else "app",
            logtags=[("host", f"h{at}")],
        )
    return store


def reason(store, query: str) -> str:
    with pytest.raises(LogException) as caught:
        store.get(query)
    assert caught.value.get_error_code() == "ParameterInvalid"
    return caught.value.get_error_message()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select count(*) as n", [{"n": "120"}]),
        ("select count(1)", [{"_col0": "120"}]),
        (
            "select status, count(*) as n from log group by status order by status",
            [{"status": str(each), "n": "40"} for each in (200, 300, 400)],
        ),
        ("select max(seconds) as m, sum(status)/count(*) as a", [{"m": "7.25", "a": "300"}]),
        ("select approx_distinct(method) as n", [{"n": "2"}]),
        ("select count_if(status >= 300) as n", [{"n": "80"}]),
        ("select max_by(method, seconds) as m where status = 200", [{"m": "GET"}]),
        ("select approx_percentile(status, 0.5) as p", [{"p": "300"}]),
        ("select percentile(status, 0.5) as p", [{"p": "300"}]),
        ("select histogram(method) as h", [{"h": '{"GET": 60, "POST": 60}'}]),
        (
            'select "detail.user" as u, sum("detail.items") as n group by u order by u limit 2',
            [{"u": "u0", "n": "300"}, {"u": "u1", "n": "324"}],
        ),
        ("select json_extract_scalar(detail, '$.user') as u limit 1", [{"u": "u0"}]),
        (
            "select regexp_extract(method, '(P)(O)', 2) as o where method = 'POST' limit 1",
            [{"o": "O"}],
        ),
        ("select count(*) as n where regexp_like(method, '^G')", [{"n": "60"}]),
        ("select split_part('a/b/c', '/', 2) as b limit 1", [{"b": "b"}]),
        ("select url_extract_host('http://a.example/x?y=1') as h limit 1", [{"h": "a.example"}]),
        ("select null as x, true as y limit 1", [{"x": "null", "y": "true"}]),
        ("select from_unixtime(0) as t limit 1", [{"t": "1970-01-01 00:00:00.000"}]),
        ("select date_format(from_unixtime(90), '%H:%i:%s') as t limit 1", [{"t": "00:01:30"}]),
        (
            "select __topic__ as t, count(*) as n group by t order by t",
            [{"t": "app", "n": "60"}, {"t": "web", "n": "60"}],
        ),
        (
            'select "__tag__:host" as h, count(*) as n group by h order by h limit 1',
            [{"h": "h0", "n": "30"}],
        ),
        (
            "with x as (select method, count(*) as n group by method) select sum(n) as s from x",
            [{"s": "120"}],
        ),
        ("select distinct __source__ as s", [{"s": "10.0.0.1"}]),
        ("select method limit 1, 1", [{"method": "GET"}]),
        (
            "select row_number() over (order by seconds desc) as r, seconds order by r limit 1",
            [{"r": "1", "seconds": "7.25"}],
        ),
    ],
)
def test_dialect_answers_as_the_service_does(shop, sql, expected):
    assert shop.rows(f"* | {sql}") == expected


def test_time_buckets_add_up(shop):
    (first, *_), begin = shop.rows("* | select min(__time__) as t"), shop.now
    assert first["t"] == str(begin)
    for bucket in (
        "__time__ - __time__ % 60",
        "date_trunc('minute', __time__)",
        "date_format(__time__, '%H:%i')",
    ):
        rows = shop.rows(f"* | select {bucket} as t, count(*) as n group by t order by t")
        assert [each["n"] for each in rows] == ["30"] * 4
        assert len({each["t"] for each in rows}) == 4


def test_only_what_the_search_matches_is_analysed(shop):
    count = "select count(*) as n"
    assert shop.rows(f"method:GET and status >= 300 | {count}") == [{"n": "40"}]
    assert shop.rows(f"* | {count}", topic="web") == [{"n": "60"}]
    assert shop.rows(f"* | {count}", begin=60, end=180) == [{"n": "60"}]
    assert shop.rows(f"absentword | {count}") == [{"n": "0"}]


def test_new_records_are_in_the_next_answer(shop):
    for extra in range(3):
        assert shop.rows("* | select count(*) as n") == [{"n": str(120 + extra)}]
        shop.put({"status": "1"})


def test_meta_says_what_was_done(shop):
    meta = shop.get("status > 200 | select method, count(*) as n group by method").get_meta()
    assert meta.get_has_sql()
    assert meta.get_where_query() == "status > 200"
    assert meta.get_agg_query() == "select method, count(*) as n group by method"
    assert meta.get_keys() == ["method", "n"]
    assert meta.get_column_types() == ["varchar", "bigint"]
    assert meta.is_completed()


def test_hundred_rows_without_a_limit_and_more_with_one(shop):
    assert len(shop.rows("* | select seconds")) == 100
    assert len(shop.rows("* | select seconds limit 110")) == 110


def test_project_query_reads_its_logstores(shop):
    sql = (
        f'select count(*) as n from "{shop.name}" '  # noqa: S608 - a query language is under test
        f"where __time__ >= {shop.now + 60} and __time__ < {shop.now + 180}"
    )
    answer = shop.sdk.get_project_logs(GetProjectLogsRequest(PROJECT, sql))
    assert [each.get_contents() for each in answer.get_logs()] == [{"n": "60"}]
    assert answer.get_processed_rows() == 60
    assert answer.get_has_sql()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("selec 1", "syntax error"),
        ("select (", "syntax error"),
        ("select plain", "Column 'plain' cannot be resolved; please add the column"),
        ("select nofunction(1)", "nofunction"),
        ("select 1 limit 100001", "LIMIT must be"),
        ("where a = 1", "syntax error"),
        ("select 1; select 2", "only one query"),
        ("delete from log", "only one query"),
        ("create table x as select 1", "only one query"),
        ("copy (select 1) to '/tmp/x'", "only one query"),
        ("set memory_limit = '9GB'", "only one query"),
        ("select * from other", "does not exist"),
        ("select * from 'file.csv'", ""),
        ("select * from read_text('/etc/passwd')", "does not exist"),
        ("select * from glob('/*')", "syntax error"),
        ("select * from information_schema.tables", "does not exist"),
        ("select * from duckdb_settings()", "does not exist"),
        ("select " + "(" * 3000 + "1" + ")" * 3000, "syntax error"),
        ("select " + "+".join("1" * 6000), "parts"),
        ("select '" + "x" * 40_000 + "'", "longer than"),
    ],
)
def test_what_is_no_query_of_the_log_is_refused(shop, sql, expected):
    assert expected in reason(shop, f"* | {sql}")


def test_query_that_wants_too_much_memory_is_refused_and_the_next_one_is_answered(shop):
    sql = (
        "select count(*) from "
        "(select distinct repeat(a.method, 30000) || random() from log a, log b, log c)"
    )
    assert "memory" in reason(shop, f"* | {sql}")
    assert shop.rows("* | select count(*) as n") == [{"n": "120"}]


def test_query_that_takes_too_long_is_killed_and_the_next_one_is_answered():
    hurried = workers.Workers(timeout=2)
    endless = (
        "with a as (select unnest(sequence(1, 100000)) as n) "
        "select count(*) from a x, a y, a z where x.n * y.n % 7 = z.n"
    )
    with pytest.raises(workers.SqlError, match="more than 2 s"):
        hurried.run(None, endless, [], None)
    found = hurried.run(None, "with a as (select 1 as n) select n from a", [], None)
    assert found.rows == [["1"]]
    hurried.close()


def test_worker_can_open_no_file_even_without_the_checks():
    patient = workers.Workers()
    worker = patient._start()
    secret = pathlib.Path("/etc/hostname")
    for text in (
        f"SELECT * FROM read_text('{secret}')",  # noqa: S608
        "COPY (SELECT 1) TO '/tmp/loghub-escaped'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "ATTACH '/tmp/loghub-escaped.db'",
    ):
        with pytest.raises(workers.SqlError, match=r"disabled|locked|Cannot|Permission"):
            worker.ask({"op": "run", "text": text, "tables": []})
    assert not pathlib.Path("/tmp/loghub-escaped").exists()  # noqa: S108 - must not be there
    worker.close()


def test_time_bounds_of_a_query_are_found_where_they_are_certain():
    def bounds(where: str) -> tuple[int, int]:
        sql = f"select count(*) from web where {where}"  # noqa: S608
        (source,) = dialect.check(sql, ["web"]).sources
        return source.begin, source.end

    everything = (0, 2**32 - 1)
    assert bounds("__time__ >= 5 and __time__ < 9") == (5, 9)
    assert bounds("__time__ > 5 and (__time__ <= 9) and a = 1") == (6, 10)
    assert bounds("__time__ between 5 and 9") == (5, 10)
    assert bounds("__time__ = 5") == (5, 6)
    assert bounds("__time__ > 5 or a = 1") == everything
    assert bounds("not __time__ > 5") == everything
    assert bounds("__time__ + 1 > 5") == everything
