"""Temporary keys: good for a project, with their own token, for their time, and no more."""

import datetime as dt
import json
import time

import pytest
from aliyun.log import LogClient, LogException, LogItem, PutLogsRequest
from hypothesis import given
from hypothesis import strategies as st

from harness.ingest import DOMAIN, ROOT_KEY, Service
from loghub_ingest import tokens
from loghub_ingest.storage import embedded
from slswire import errors, signature

PROJECT, STORE = "shop-project", "web"
TOKENS, KEYS = "/loghub/v1/tokens", "/loghub/v1/keys"
TOKEN = "x-acs-security-token"


def asked(send, path, document, key=ROOT_KEY):
    body = json.dumps(document).encode()
    headers = {"content-type": "application/json", "x-log-bodyrawsize": str(len(body))}
    return send("POST", path, body=body, headers=headers, key=key)


def credentials(document) -> signature.Credentials:
    return signature.Credentials(
        document["accessKeyId"], document["accessKeySecret"], document.get("securityToken", "")
    )


@pytest.fixture
def temporary(store, send):
    """A temporary key of the project, as handed out."""

    def run(*rights, key=ROOT_KEY, **more):
        document = {"project": PROJECT, "rights": list(rights), **more}
        answer = asked(send, TOKENS, document, key)
        assert answer.status == 200, answer.json
        return answer.json

    return run


@pytest.fixture
def lasting(store, send):
    """A lasting key of the project."""

    def run(*rights):
        return credentials(asked(send, KEYS, {"project": PROJECT, "rights": list(rights)}).json)

    return run


@pytest.mark.parametrize("version", ["1", "4"])
def test_official_sdk_writes_and_reads_with_one_and_does_nothing_else(temporary, version):
    made = temporary("read", "write")
    assert made["accessKeyId"].startswith("STS.")
    options = {"auth_version": "4", "region": "loghub"} if version == "4" else {}
    key = (made["accessKeyId"], made["accessKeySecret"], made["securityToken"])
    sdk = LogClient(DOMAIN, *key, **options)
    item = LogItem(int(time.time()), [("content", f"by {version}")])
    sdk.put_logs(PutLogsRequest(PROJECT, STORE, "", "", [item]))
    found = []
    for shard in (0, 1):
        cursor = sdk.get_begin_cursor(PROJECT, STORE, shard).get_cursor()
        found += sdk.pull_logs(PROJECT, STORE, shard, cursor).get_flatten_logs_json()
    assert f"by {version}" in [each["content"] for each in found]
    for refused in (
        lambda: sdk.create_logstore(PROJECT, "other"),
        lambda: sdk.delete_logstore(PROJECT, STORE),
        lambda: sdk.get_logstore("other-project", STORE),
    ):
        with pytest.raises(LogException) as caught:
            refused()
        assert caught.value.get_error_code() == "Unauthorized"


def put(send, key, **headers):
    body = b'{"__logs__":[{"__time__":1764000000,"content":"from a page"}]}'
    stated = {"content-type": "application/json", "x-log-bodyrawsize": str(len(body)), **headers}
    return send("POST", f"/logstores/{STORE}", body=body, headers=stated, key=key)


def test_page_writes_json_with_one_that_may_only_write(temporary, send):
    key = credentials(temporary("write"))
    assert put(send, key).status == 200
    found = send("GET", f"/logstores/{STORE}/shards/0", {"type": "cursor", "from": "end"}, key=key)
    assert found.error == (401, "Unauthorized")


def test_project_key_hands_out_what_it_may_itself_until_it_is_deleted(temporary, lasting, send):
    issuer = lasting("write")
    made = credentials(temporary("write", key=issuer))
    assert put(send, made).status == 200
    for document in ({"rights": ["read"]}, {"rights": ["write"], "project": "other-project"}):
        assert asked(send, TOKENS, document, issuer).error == (401, "Unauthorized")
    assert asked(send, TOKENS, {"rights": ["write"]}, made).error == (401, "Unauthorized")
    assert send("DELETE", f"{KEYS}/{issuer.access_key_id}").status == 200
    answer = put(send, made)
    assert answer.error == (401, "Unauthorized")
    assert answer.json["errorMessage"] == "The security token you provided is invalid."


def test_token_that_is_missing_another_or_stray_is_refused_with_the_words_of_the_cloud(
    temporary, lasting, send
):
    mine, other = credentials(temporary("write")), credentials(temporary("write"))
    ident, secret = mine.access_key_id, mine.access_key_secret
    invalid = "The security token you provided is invalid."
    for token, words in [
        ("", f"AccessKeyId not found: {ident}"),
        (other.security_token, invalid),
        (mine.security_token[:-4] + "AAA=", invalid),
        (mine.security_token + "x", invalid),
        ("v1.", invalid),
        ("STS.tok", invalid),
        ("v1." + "A" * 5000, invalid),
    ]:
        answer = put(send, signature.Credentials(ident, secret, token))
        assert answer.error == (401, "Unauthorized")
        assert answer.json["errorMessage"] == words
    wrong = put(send, signature.Credentials(ident, other.access_key_secret, mine.security_token))
    assert wrong.error == (401, "SignatureNotMatch")
    usual = lasting("write")
    assert put(send, usual).status == 200
    assert put(send, usual, **{TOKEN: ""}).status == 200
    stray = signature.Credentials(usual.access_key_id, usual.access_key_secret, mine.security_token)
    answer = put(send, stray)
    assert answer.error == (401, "Unauthorized")
    assert answer.json["errorMessage"].startswith("The security token you provided is invalid")


@pytest.mark.parametrize(
    "document",
    [
        {"rights": ["admin"]},
        {"rights": []},
        {"rights": "write"},
        {"rights": ["write"], "durationSeconds": 899},
        {"rights": ["write"], "durationSeconds": 12 * 3600 + 1},
        {"rights": ["write"], "durationSeconds": True},
        {"rights": ["write"], "durationSeconds": "3600"},
    ],
)
def test_rights_and_duration_have_bounds(store, send, document):
    answer = asked(send, TOKENS, {"project": PROJECT} | document)
    assert answer.error == (400, "ParameterInvalid")
    assert ("rights" if len(document) == 1 else "durationSeconds") in answer.json["errorMessage"]


def test_duration_is_what_was_asked_for(temporary):
    for seconds, more in [(3600, {}), (900, {"durationSeconds": 900})]:
        until = dt.datetime.fromisoformat(temporary("read", **more)["expiration"]).timestamp()
        assert abs(until - time.time() - seconds) < 120


async def test_key_works_after_a_restart_until_it_expires_or_its_project_goes(tmp_path):
    service = Service(tmp_path / "data")
    service.start()
    async with service.client() as client:
        await client.create_project(PROJECT)
    assert service.stop() == 0
    storage = embedded.Embedded(service.data)
    now, root = int(time.time()), storage.key(ROOT_KEY.access_key_id)
    project = storage.project(PROJECT)
    assert root is not None
    assert project is not None
    rights = frozenset({"read"})
    sealed = tokens.Tokens(storage)
    made = sealed.issue(root, project, rights, now=now, seconds=900)
    old = sealed.issue(root, project, rights, now=now - 901, seconds=900)
    storage.close()
    service.start()
    assert await refusal(service, made) == "LogStoreNotExist"  # and not Unauthorized
    assert await refusal(service, old) == "The security token you provided has expired."
    async with service.client() as client:
        await client.delete_project(PROJECT)
        assert await refusal(service, made) == "The security token you provided is invalid."
    assert service.stop() == 0


async def refusal(service: Service, made: tokens.Temporary) -> str:
    key = signature.Credentials(made.key.ident, made.key.secret, made.token)
    async with service.client(key) as client:
        with pytest.raises(errors.SlsError) as caught:
            await client.get_logstore(PROJECT, STORE)
    return caught.value.message if caught.value.code == "Unauthorized" else caught.value.code


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    storage = embedded.Embedded(tmp_path_factory.mktemp("sealed") / "data")
    storage.create_project(PROJECT, "")
    root = embedded.contract.AccessKey("root", "secret", "", frozenset(), 0)
    storage.add_key(root)
    project = storage.project(PROJECT)
    assert project is not None
    found = tokens.Tokens(storage)
    yield found, found.issue(root, project, frozenset({"read"}), now=1000, seconds=900)
    storage.close()


@given(st.data())
def test_token_changed_anywhere_opens_nothing(sealed, data):
    found, made = sealed
    assert found.read(made.key.ident, made.token, 1899).rights == {"read"}
    at = data.draw(st.integers(0, len(made.token) - 1))
    sign = data.draw(st.characters(max_codepoint=255))
    token = made.token[:at] + sign + made.token[at + 1 :]
    if token != made.token:
        with pytest.raises(errors.SlsError) as caught:
            found.read(made.key.ident, token, 1000)
        assert caught.value.code == "Unauthorized"
