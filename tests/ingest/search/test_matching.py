"""The compiled scan says of every record what a naive reading of the query says."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loghub_ingest import _core
from loghub_ingest.search import document, grammar, planning, scanning
from slswire import errors, protobuf
from slswire.model import Log, LogGroup

DELIMITERS = " ,/"
DOCUMENT = {
    "line": {"token": list(DELIMITERS), "caseSensitive": False, "chn": True},
    "keys": {
        "cased": {"type": "text", "token": [" "], "caseSensitive": True, "chn": False},
        "size": {"type": "long"},
        "load": {"type": "double", "alias": "cpu"},
        "doc": {
            "type": "json",
            "token": list(' ,"{}:'),
            "index_all": True,
            "json_keys": {"n": {"type": "long"}},
        },
    },
}
INDEX = document.read(DOCUMENT)


def found(query: str, logs: list[dict[str, str]], index: document.Index = INDEX) -> list[int]:
    group = LogGroup(
        logs=tuple(Log(100 + at, tuple(each.items()), None) for at, each in enumerate(logs)),
        topic="shop",
        source="10.0.0.1",
        tags=(("app", "Web front"),),
        machine_uuid="",
    )
    program = planning.program(grammar.parse(query), index)
    window = scanning.Window((0, 0), (2000, 0))
    scanner, encoded = scanning.scanner(program, window), protobuf.encode_log_group(group)
    hits = scanner.hits(encoded)
    # A filter may let through too much, never too little.
    assert not hits or scanner.may_match(_core.bloom([encoded]))
    assert sum(scanner.counts(encoded, 7)) == len(hits)
    return [position for _, _, position in hits]


# The naive reading: straight from the documentation, nothing shared with what is tested.


def fold(text: str, *, case: bool) -> str:
    return text if case else re.sub("[A-Z]", lambda hit: hit[0].lower(), text)


def cut(text: str, delimiters: str, *, case: bool, chn: bool) -> list[str]:
    spaced = re.sub("([一-鿿])", r" \1 ", text) if chn else text
    return re.split(f"[{re.escape(delimiters)} ]+", fold(spaced, case=case))


def glob(pieces: tuple[str, ...], *, case: bool) -> str:
    patterns = {"*": ".*", "?": "."}
    return "".join(
        patterns[piece] if at % 2 else re.escape(fold(piece, case=case))
        for at, piece in enumerate(pieces)
    )


def naive_text(value: str, node: grammar.Text, delimiters: str, *, case: bool, chn: bool) -> bool:
    words = [word for word in cut(value, delimiters, case=case, chn=chn) if word]
    if node.has_wildcards:
        return any(re.fullmatch(glob(node.pieces, case=case), word, re.DOTALL) for word in words)
    wanted = [word for word in cut(node.text, delimiters, case=case, chn=chn) if word]
    size = len(wanted)
    here = any(words[at : at + size] == wanted for at in range(len(words) - size + 1))
    exact = fold(node.text, case=case) in fold(value, case=case) if node.phrase else True
    return (here or not wanted) and exact


def naive_range(value: str | None, node: grammar.Range, kind: type) -> bool:
    try:
        number = kind(value)
    except (TypeError, ValueError):
        return False
    low, high = node.low, node.high
    above = (
        low is None or number > float(low.value) or (not low.open and number == float(low.value))
    )
    return above and (
        high is None
        or number < float(high.value)
        or (not high.open and number == float(high.value))
    )


def naive(node: grammar.Node, record: dict[str, str]) -> bool:
    match node:
        case grammar.And(of=parts):
            holds = all(naive(part, record) for part in parts)
        case grammar.Or(of=parts):
            holds = any(naive(part, record) for part in parts)
        case grammar.Not(of=part):
            holds = not naive(part, record)
        case grammar.Exists(field=field):
            holds = field in record
        case grammar.Empty(field=field):
            holds = record.get(field) == ""
        case grammar.Range(field=field):
            holds = naive_range(record.get(field), node, int if field == "size" else float)
        case grammar.Text(field=field):
            fields = [key for key in record if field in {"", key}]
            holds = any(naive_field(key, record[key], node) for key in fields)
        case _:
            holds = True
    return holds


def naive_field(key: str, value: str, node: grammar.Text) -> bool:
    if key == "cased":
        return naive_text(value, node, " ", case=True, chn=False)
    if key in {"size", "load"}:  # typed keys bring the service's default delimiters
        return naive_text(value, node, document.DELIMITERS, case=False, chn=False)
    return naive_text(value, node, DELIMITERS, case=False, chn=True)


WORDS = st.text(alphabet="abAB中文é1", min_size=1, max_size=3)
VALUES = st.lists(WORDS, max_size=4).flatmap(
    lambda words: st.sampled_from([" ", ",", "/", ""]).map(lambda sign: sign.join(words))
)
NUMBERS = st.integers(-30, 30).map(str) | st.sampled_from(["1.5", "-2e1", "9" * 18, ""]) | WORDS
FIELDS = st.sampled_from(["text", "cased", "other"])


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def texts(draw) -> tuple[str, grammar.Node]:
    field = draw(st.just("") | FIELDS)
    before = f"{field}:" if field else ""
    match draw(st.sampled_from(["quoted", "phrase", "glob"])):
        case "quoted":
            value = draw(VALUES.filter(bool))
            return before + quoted(value), grammar.Text(field, (value,))
        case "phrase" if not field:
            value = draw(VALUES.filter(bool))
            return "#" + quoted(value), grammar.Text("", (value,), phrase=True)
        case _:
            pieces = [draw(st.sampled_from("abAB1é"))]
            for _ in range(draw(st.integers(1, 3))):
                pieces += [draw(st.sampled_from("*?")), draw(st.sampled_from(["", "a", "b1"]))]
            return before + "".join(pieces), grammar.Text(field, tuple(pieces))


@st.composite
def ranges(draw) -> tuple[str, grammar.Node]:
    field = draw(st.sampled_from(["size", "load"]))
    low, high = (str(draw(st.integers(-30, 30))) for _ in range(2))
    sign = draw(st.sampled_from([">", ">=", "<", "<=", "[]", "(]", "[)", "()"]))
    bound = grammar.Bound(low, open=sign in {">", "<"})
    if sign in {">", ">="}:
        return f"{field} {sign} {low}", grammar.Range(field, bound, None)
    if sign in {"<", "<="}:
        return f"{field}{sign}{low}", grammar.Range(field, None, bound)
    ends = grammar.Bound(low, open=sign[0] == "("), grammar.Bound(high, open=sign[1] == ")")
    return f"{field} in {sign[0]}{low} {high}{sign[1]}", grammar.Range(field, *ends)


def joined(inner):
    def combine(parts, word, kind):
        text = f" {word} ".join(f"({each})" for each, _ in parts)
        return text, kind(tuple(node for _, node in parts))

    lists = st.lists(inner, min_size=2, max_size=3)
    return (
        lists.map(lambda parts: combine(parts, "and", grammar.And))
        | lists.map(lambda parts: combine(parts, "or", grammar.Or))
        | inner.map(lambda part: (f"not ({part[0]})", grammar.Not(part[1])))
    )


LEAVES = (
    texts()
    | ranges()
    | FIELDS.map(lambda field: (f"{field}:*", grammar.Exists(field)))
    | FIELDS.map(lambda field: (f'{field}:""', grammar.Empty(field)))
    | st.just(("*", grammar.Everything()))
)
QUERIES = st.recursive(LEAVES, joined, max_leaves=6)
RECORDS = st.fixed_dictionaries(
    {},
    optional={"text": VALUES, "cased": VALUES, "other": VALUES, "size": NUMBERS, "load": NUMBERS},
)
GIVEN = {"__source__": "10.0.0.1", "__topic__": "shop", "__tag__:app": "Web front"}


@settings(max_examples=400, deadline=None)
@given(QUERIES, st.lists(RECORDS, max_size=5))
def test_scan_agrees_with_the_naive_reading(query, records):
    text, node = query
    assert grammar.parse(text) == node
    expected = [at for at, each in enumerate(records) if naive(node, GIVEN | each)]
    assert found(text, records) == expected


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("doc.user:Ann", True),
        ("doc.user:Bob", False),
        ("doc.n > 6", True),
        ("doc.n > 7", False),
        ("doc.deep.list:*", True),
        ("doc.absent:*", False),
        ("doc.user:*", True),
        ("doc:ann", True),
        ("ann", True),
        ("cpu > 0.4", True),
        ("__topic__:shop and __source__:10.0.0.1 and __tag__:app:front", True),
        ("__time__ >= 100 and __time__ < 101", True),
        ("load:0.50", True),
    ],
)
def test_typed_fields_are_found_by_path_alias_and_number(query, matches):
    inner = {"user": "Ann", "n": 7, "deep": {"list": [1, 3]}}
    record = {"doc": json.dumps(inner), "load": "0.5"}
    assert found(query, [record]) == ([0] if matches else [])


@pytest.mark.parametrize(
    ("given_index", "query", "reason"),
    [
        ({"keys": {"a": {"type": "text"}}}, "b:x", "is not config as key value config"),
        ({"keys": {"a": {"type": "text"}}}, "a > 1", "is of type text"),
        ({"keys": {"a": {"type": "long"}}}, "a:x", "is no number"),
        ({"keys": {"a": {"type": "json", "index_all": False}}}, "a.b:x", "is not config"),
    ],
)
def test_field_that_the_index_cannot_answer_is_named(given_index, query, reason):
    with pytest.raises(errors.SlsError, match=reason):
        found(query, [], document.read(given_index))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"token": [" "]}, [0, 1]),
        ({"token": [" "], "include_keys": ["a"]}, [0]),
        ({"token": [" "], "exclude_keys": ["a"]}, [1]),
        (None, [1]),
    ],
)
def test_full_text_looks_where_the_document_says(line, expected):
    given_document = {"keys": {"b": {"type": "text", "token": [" "]}}}
    if line is not None:
        given_document["line"] = line
    index = document.read(given_document)
    assert found("x", [{"a": "x"}, {"b": "x"}], index) == expected


def test_malformed_index_documents_are_read_leniently():
    for given_document in ({}, {"line": 3, "keys": []}, {"line": {"token": 7}, "keys": {"a": 1}}):
        document.read(given_document)


def test_program_that_is_none_is_refused():
    with pytest.raises(ValueError, match="EOF"):
        _core.Scanner("{", 0, 1, None)
