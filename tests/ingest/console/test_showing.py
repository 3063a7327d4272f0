"""What the search page gets: the API's own answers, in the form of a page, with bounds."""

import csv
import io
import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loghub_ingest.console import cutting, exporting

HOSTILE = {
    "<img src=x onerror=alert(1)>": "</script><script>alert(1)</script>",
    "__proto__": "x",
    "constructor": "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "rtl": "\u202eevil\u202c",
    "nul": "a\x00b\x07\x7f\x85",
    "line": "a\u2028b\r\nc",
    '"; DROP': '"}\\',
}


def search(visitor, store, query="", **more):
    answer = visitor.post(f"{store.path}/search", {"query": query} | store.range | more)
    assert answer.status == 200, answer.text
    return answer.document


def fields(record):
    return dict(map(tuple, record["fields"]))


def test_search_finds_what_the_api_finds(root, store, as_api):
    store.put(*({"message": f"order {number} failed"} for number in range(30)))
    store.put({"message": "fine"}, at=5)
    found = search(root, store, "failed", line=10, offset=5, reverse=True)
    within = (store.now - 10, store.now + 90)
    page = as_api(
        lambda api: api.get_logs(
            store.project, store.name, "failed", within=within, line=10, offset=5, reverse=True
        )
    )
    shown = [fields(each)["message"] for each in found["records"]]
    assert len(shown) == 10
    assert shown == [each["message"] for each in page.logs]
    assert found["complete"] is True
    assert found["marks"]["terms"] == [["", "failed"]]
    assert ":" in found["marks"]["rules"][""]["delimiters"]


def test_rows_of_sql_come_as_a_table(root, store):
    store.put(*({"level": "info", "status": str(number)} for number in range(4)))
    found = search(root, store, "* | SELECT level, sum(status) AS total GROUP BY level")
    assert (found["sql"], found["columns"], found["table"]) == (
        True,
        ["level", "total"],
        [["info", "6"]],
    )


def test_wrong_query_is_explained(root, store):
    answer = root.post(f"{store.path}/search", {"query": 'say "hello'} | store.range)
    assert answer.status == 400
    assert "a quotation is not closed at character 4" in answer.document["errorMessage"]
    answer = root.post(f"{store.path}/search", {"query": ""} | store.range | {"line": 101})
    assert answer.document["errorCode"] == "InvalidLine"


def test_histogram_counts_every_record_once(root, store):
    for second in range(6):
        store.put({"message": "x"}, {"message": "y"}, at=second)
    found = root.get(f"{store.path}/histogram", query="x", interval=10, **store.range).document
    assert sum(each["count"] for each in found) == 6
    assert all(each["progress"] == "Complete" for each in found)


def test_context_leads_from_a_record_to_its_neighbours(root, store):
    store.put(*({"message": f"line {number}"} for number in range(9)))
    (hit,) = search(root, store, '#"line 4"')["records"]
    place = fields(hit)
    asked = {"pack_id": place["__tag__:__pack_id__"], "pack_meta": place["__pack_meta__"]}
    found = root.get(f"{store.path}/context", back_lines=2, forward_lines=1, **asked).document
    assert [fields(each)["message"] for each in found["records"]] == [
        f"line {number}" for number in (2, 3, 4, 5)
    ]
    assert (found["back"], found["forward"], found["complete"]) == (2, 1, True)


def test_fields_are_counted_with_their_frequent_values(root, store):
    store.put(*({"level": "info" if number % 4 else "error"} for number in range(100)))
    store.put({"message": "m" * 1000})
    found = root.post(f"{store.path}/fields", {"query": "*"} | store.range).document
    assert found["records"] == 101
    by_name = {each["name"]: each for each in found["fields"]}
    assert by_name["level"]["top"] == [["info", 75], ["error", 25]]
    assert by_name["level"]["records"] == 100
    assert by_name["message"]["top"] == []
    assert by_name["message"]["many"] is True


def test_fields_are_found_behind_much_that_does_not_match(root, store):
    store.put({"message": "needle"})
    for _ in range(10):
        store.put({"message": "y" * 4_000_000}, at=1)
    found = root.post(f"{store.path}/fields", {"query": "needle"} | store.range).document
    assert found["records"] == 1


def test_tail_shows_what_comes_once_in_order_of_receipt(root, make_store):
    store = make_store(shardCount=2)
    store.put({"message": "before"})
    position = root.post(f"{store.path}/tail", {"query": ""}).document["position"]
    seen = []
    for number in range(5):
        # Their own times go back: what is new is told by receipt.
        store.put({"message": f"new {number}"}, {"message": "other"}, at=-number)
        found = root.post(f"{store.path}/tail", {"query": "new", "position": position}).document
        assert found["at_end"] is True
        position = found["position"]
        seen += [fields(each)["message"] for each in found["records"]]
    assert seen == [f"new {number}" for number in range(5)]
    again = root.post(f"{store.path}/tail", {"query": "new", "position": position}).document
    assert again["records"] == []


def test_tail_goes_on_over_a_split_and_reads_the_new_shards(root, make_store):
    store = make_store()
    position = root.post(f"{store.path}/tail", {}).document["position"]
    assert root.post(f"{store.path}/shards/0?action=split").status == 200
    for number in range(6):
        store.put({"message": str(number)})
    found = root.post(f"{store.path}/tail", {"position": position}).document
    assert [fields(each)["message"] for each in found["records"]] == list("012345")


def test_tail_of_a_burst_is_bounded_and_says_so(root, store):
    position = root.post(f"{store.path}/tail", {}).document["position"]
    for _ in range(3):
        store.put(*({"message": "x"} for _ in range(800)))
    found = root.post(f"{store.path}/tail", {"position": position}).document
    assert len(found["records"]) == 500
    assert found["left_out"] == 300
    assert found["at_end"] is False


def test_tail_refuses_a_position_that_is_none(root, store):
    for position in ("x", [["0", "y"]], [[0]], {"0": 1}, [["0", "-1"]], [["0", str(2**64)]]):
        answer = root.post(f"{store.path}/tail", {"position": position})
        assert answer.document["errorCode"] == "ParameterInvalid", position
    answer = root.post(f"{store.path}/tail", {"query": "* | SELECT 1"})
    assert "leave out the |" in answer.document["errorMessage"]


def test_without_an_index_records_are_shown_but_not_searched(root, make_store):
    store = make_store(index=None)
    store.put({"message": "hello"})
    assert len(search(root, store)["records"]) == 1
    bars = root.get(f"{store.path}/histogram", query="", **store.range).document
    assert sum(each["count"] for each in bars) == 1
    answer = root.post(f"{store.path}/search", {"query": "hello"} | store.range)
    assert answer.document["errorCode"] == "IndexConfigNotExist"


def test_hostile_names_and_values_come_as_json_and_as_they_are(root, store):
    store.put(HOSTILE)
    answer = root.post(f"{store.path}/search", {"query": ""} | store.range)
    assert answer.headers["content-type"] == "application/json"
    (record,) = answer.document["records"]
    assert HOSTILE.items() <= fields(record).items()


def test_values_of_megabytes_are_cut_on_the_page_and_whole_by_themselves(root, store):
    huge = "x" * (4 * 1024 * 1024)
    store.put({"huge": huge, "message": "small"})
    answer = root.post(f"{store.path}/search", {"query": ""} | store.range)
    assert len(answer.body) < 64 * 1024
    (record,) = answer.document["records"]
    assert record["cut"] == {"huge": len(huge)}
    place = fields(record)
    asked = {"pack_id": place["__tag__:__pack_id__"], "pack_meta": place["__pack_meta__"]}
    one = {"back_lines": 0, "forward_lines": 0}
    found = root.get(f"{store.path}/context", whole=1, **one, **asked).document
    assert fields(found["records"][0])["huge"] == huge
    refused = root.get(f"{store.path}/context", whole=1, **asked)
    assert refused.document["errorCode"] == "ParameterInvalid"


def test_page_of_huge_records_is_not_held_in_memory_at_once(root, store, service):
    for _ in range(60):
        store.put({"huge": "x" * (4 * 1024 * 1024)})
    before = peak_megabytes(service.process.pid)
    assert len(search(root, store)["records"]) == 60
    assert peak_megabytes(service.process.pid) - before < 160  # of 240 together


def peak_megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
ASKED = ("query", "from", "to", "fromNs", "line", "offset", "reverse", "topic", "format")


@given(document=st.dictionaries(st.sampled_from([*ASKED, "position"]), JSON))
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_document_is_answered_by_a_fault_of_the_service(root, store, document):
    asked = {"query": ""} | store.range | document
    for what in ("search", "fields", "tail", "download"):
        answer = root.post(f"{store.path}/{what}", asked)
        assert answer.status in {200, 400}, (what, asked, answer.text)


@given(
    st.dictionaries(st.text(max_size=400), st.text(max_size=20_000), max_size=300),
)
@settings(max_examples=60, deadline=None)
def test_cut_record_is_bounded_and_says_what_is_missing(record):
    found = cutting.cut(record)
    size = sum(len(name) + len(value) for name, value in found["fields"])
    limit = cutting.MAX_RECORD_CHARS + cutting.MAX_NAME_CHARS
    assert size <= limit
    assert len(found["fields"]) + found["more"] == len(record)
    for (name, value), (own, whole) in zip(found["fields"], record.items(), strict=False):
        assert own.startswith(name)
        assert whole.startswith(value)
        assert (value == whole) or name in found["cut"]


def test_download_gives_every_record_as_json_lines(root, store):
    for part in range(5):
        store.put(*({"message": f"{part} {number}"} for number in range(300)), HOSTILE)
    answer = root.post(f"{store.path}/download", {"query": ""} | store.range)
    lines = [json.loads(each) for each in answer.body.split(b"\n")[:-1]]
    assert len(lines) == 5 * 301
    assert sum(HOSTILE.items() <= each.items() for each in lines) == 5
    assert answer.headers["content-disposition"] == f'attachment; filename="{store.name}.ndjson"'
    assert exporting.CUT_HEADER not in answer.headers


def test_download_is_bounded_in_records_and_bytes(root, store):
    text = "y" * 1_000_000
    for _ in range(40):
        store.put({"message": text})
    answer = root.post(f"{store.path}/download", {"query": ""} | store.range)
    assert 30_000_000 < len(answer.body) <= exporting.MAX_BYTES
    assert answer.headers[exporting.CUT_HEADER] == "1"


def test_cells_of_csv_are_computed_by_no_spreadsheet(root, store):
    link = '=HYPERLINK("http://evil.example")'
    store.put({"cell": link, "other": 'a,"b"\nc'}, {"cell": "-1+1"})
    asked = {"query": "", "format": "csv"} | store.range
    answer = root.post(f"{store.path}/download", asked)
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [each["cell"] for each in rows] == ["'" + link, "'-1+1"]
    assert rows[0]["other"] == 'a,"b"\nc'
