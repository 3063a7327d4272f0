"""The compiled check of a signature says yes to what clients sign, and only where Python does."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from loghub_ingest import _core
from slswire import errors, signature

NOW = dt.datetime(2026, 11, 25, 12, 0, tzinfo=dt.UTC)
PATH = "/logstores/web/shards/lb"
KEY = signature.Credentials("an-id", "a-secret")
_WORDS = st.text("abcXYZ019-_./ ", min_size=1, max_size=12)
_NAMES = st.sampled_from(
    ["x-log-topic", "x-acs-other", "x-log-meta-a", "x-log-date", "date", "content-md5", "host"]
)
_EXTRA = st.dictionaries(_NAMES.filter(lambda name: name.startswith("x-")), _WORDS, max_size=3)
_CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "add", "drop", "body", "path", "method", "secret"]),
        _NAMES,
        st.one_of(_WORDS, st.text(st.characters(max_codepoint=255), max_size=6)),
    ),
    max_size=3,
)


def signed(version: str, extra: dict[str, str], body: bytes) -> dict[str, str]:
    """The headers of a write, lower case."""
    plain = {name: value for name, value in extra.items() if name != "x-log-date"}
    stated = plain | {"host": "shop.sls.test", "content-type": "application/x-protobuf"}
    request = signature.Request("POST", PATH, [], stated, body)
    if version == "V1":
        sent = signature.sign_v1(KEY, request, NOW)
    else:
        sent = signature.sign_v4(KEY, request, NOW, region="a-region")
    return {name.lower(): value for name, value in sent.items()}


def changed(sent, body, changes):
    """What arrives: header pairs, body, path, method, secret."""
    pairs = list(sent.items())
    rest = {
        "body": body,
        "path": "/logstores/web/shards/lb",
        "method": "POST",
        "secret": "a-secret",
    }
    for what, name, value in changes:
        if what == "set":
            pairs = [(known, value if known == name else kept) for known, kept in pairs]
        elif what == "add":
            pairs.append((name, value))
        elif what == "drop":
            pairs = [pair for pair in pairs if pair[0] != name]
        elif what == "body":
            rest["body"] = value.encode("latin-1")
        else:
            rest[what] = value
    return pairs, rest


def python_says(claim, pairs, rest) -> bool:
    received = signature.Request(rest["method"], rest["path"], [], dict(pairs), rest["body"])
    try:
        signature.verify(claim, rest["secret"], received, NOW)
    except errors.SlsError:
        return False
    return True


def compiled_says(claim, pairs, rest) -> bool:
    return _core.signed(
        rest["secret"],
        (claim.signature, claim.date, claim.region),
        rest["method"],
        rest["path"].encode("latin-1"),
        [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
        rest["body"],
    )


@given(st.sampled_from(["V1", "V4"]), _EXTRA, st.binary(max_size=50))
def test_what_a_client_signs_is_surely_right(version, extra, body):
    pairs, rest = changed(signed(version, extra, body), body, [])
    claim = signature.parse_authorization(dict(pairs))
    assert python_says(claim, pairs, rest)
    assert compiled_says(claim, pairs, rest)


@given(st.sampled_from(["V1", "V4"]), _EXTRA, st.binary(max_size=50), _CHANGES)
def test_yes_is_never_said_to_what_python_refuses(version, extra, body, changes):
    pairs, rest = changed(signed(version, extra, body), body, changes)
    claim = signature.parse_authorization(dict(pairs))
    if compiled_says(claim, pairs, rest):
        # The clock is the caller's: a date that only it refuses was checked before.
        try:
            signature.check_clock(dict(pairs), NOW)
        except errors.SlsError:
            return
        assert python_says(claim, pairs, rest), (pairs, rest)
