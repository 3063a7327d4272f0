"""Keys: how they are read, and that their text stays where it belongs."""

import base64

import pytest

from loghub_agent import credentials, errors

KEY = credentials.Key("id", "very-secret")


def secret(**data):
    encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
    return {"metadata": {"name": "key", "namespace": "loghub"}, "data": encoded}


def test_secret_is_read():
    document = secret(accessKeyId=b"id", accessKeySecret=b"very-secret\n")
    assert credentials.from_secret(document) == KEY


@pytest.mark.parametrize(
    "data",
    [{}, {"accessKeyId": b"id"}, {"accessKeyId": b"", "accessKeySecret": b"s"},
     {"accessKeyId": b"\xff", "accessKeySecret": b"s"},
     {"accessKeyId": b"i" * 2000, "accessKeySecret": b"s"}],
)  # fmt: skip
def test_faulty_secret_is_refused_by_name_and_field(data):
    with pytest.raises(errors.RefusedError, match=r"Secret loghub/key: data\.accessKey"):
        credentials.from_secret(secret(**data))


def test_secret_never_shows_in_a_repr():
    assert "very-secret" not in repr(KEY)


def test_file_content_is_read():
    document = {"key": {"accessKeyId": "id", "accessKeySecret": "very-secret"}}
    assert credentials.from_document(document, subject="keys.yaml") == {"key": KEY}


@pytest.mark.parametrize(
    ("document", "hint"),
    [
        ([], "must be a map"),
        ({"key": None}, "is required"),
        ({"key": {"accessKeyId": "id"}}, r"credentials\.key\.accessKeySecret is missing"),
        ({"key": {"accessKeyId": 1, "accessKeySecret": "very-secret"}}, "put it in quotes"),
        ({"key": {"accessKeyId": "i", "accessKeySecret": "very-secret", "x": 1}}, "not a field"),
        ({1: {}}, "must be text"),
    ],
)
def test_faulty_file_content_is_refused_without_telling_secrets(document, hint):
    with pytest.raises(errors.RefusedError, match=hint) as caught:
        credentials.from_document(document, subject="keys.yaml")
    assert "very-secret" not in str(caught.value)


def deliver(keys):
    given = list(keys.undelivered())
    for name, key in given:
        keys.delivered(name, key)
    return given


def test_only_differences_are_handed_over():
    keys = credentials.Keyring()
    keys.replace({"a": KEY, "b": KEY})
    assert deliver(keys) == [("a", KEY), ("b", KEY)]
    assert deliver(keys) == []
    rotated = credentials.Key("id2", "s2")
    keys.observe("a", rotated)
    keys.remove("b")
    assert deliver(keys) == [("b", None), ("a", rotated)]


def test_broken_secret_leaves_the_last_good_key_in_use():
    keys = credentials.Keyring()
    keys.observe("a", KEY)
    assert keys.observe("a", errors.RefusedError("data.accessKeyId is missing"))
    assert "a" in keys
    assert keys.refusals == {"a": "data.accessKeyId is missing"}
    assert keys.observe("a", KEY)
    assert keys.refusals == {}


def test_list_without_a_key_forgets_it():
    keys = credentials.Keyring()
    keys.replace({"a": KEY, "b": errors.RefusedError("x")})
    assert keys.replace({"c": KEY})
    assert "a" not in keys
    assert keys.refusals == {}
    assert not keys.replace({"c": KEY})


def test_state_gives_back_the_same_keys():
    keys, again = credentials.Keyring(), credentials.Keyring()
    keys.observe("a", KEY)
    again.restore(keys.to_state())
    assert deliver(again) == [("a", KEY)]


def test_certificates_are_kept_and_a_state_from_before_there_were_any_is_read():
    keys, again = credentials.Keyring(), credentials.Keyring()
    trust = credentials.Trust("bundle", "certificate", "key")
    keys.observe("a", credentials.Key("id", "secret", trust))
    again.restore(keys.to_state())
    assert deliver(again) == [("a", credentials.Key("id", "secret", trust))]
    assert "key" not in repr(trust)
    again.restore([["a", "id", "secret"]])
    assert deliver(again) == [("a", credentials.Key("id", "secret"))]


def test_secret_brings_its_certificates_and_a_broken_one_is_none():
    text = {"accessKeyId": "id", "accessKeySecret": "secret", "ca.crt": "bundle"}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in text.items()}
    found = credentials.from_secret(
        {"metadata": {"namespace": "n", "name": "s"}, "data": data | {"tls.crt": "%"}}
    )
    assert found.trust == credentials.Trust(ca_bundle="bundle")


@pytest.mark.parametrize("items", [[1], [["a", "b"]], ["ab"]])
def test_foreign_state_is_refused(items):
    with pytest.raises(errors.StateError):
        credentials.Keyring().restore(items)
