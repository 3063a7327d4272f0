"""Logging in, what the session's cookie is, and when it ends."""

import base64

import hypothesis
import pytest
from hypothesis import strategies
from starlette.requests import Request

from harness.ingest import ROOT_KEY, Service
from loghub_ingest import service as services
from loghub_ingest.console import attempts, entering, protection, sessions
from loghub_ingest.storage import contract, embedded
from slswire import errors

IDENT, SECRET = ROOT_KEY.access_key_id, ROOT_KEY.access_key_secret


def key(ident: str = "one", secret: str = SECRET) -> contract.AccessKey:
    return contract.AccessKey(ident, secret, "shop", frozenset({"read"}), 0)


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def storage(tmp_path):
    opened = embedded.Embedded(tmp_path / "data")
    yield opened
    opened.close()


def test_log_in_gives_a_cookie_that_scripts_and_other_sites_never_see(visitor):
    answer = visitor.login(IDENT, SECRET)
    assert (answer.status, answer.headers["location"]) == (303, "/console/")
    _, *attributes = answer.headers["set-cookie"].split("; ")
    assert attributes == ["Path=/console/", "HttpOnly", "SameSite=Strict"]
    assert len(visitor.cookie) >= 43
    assert visitor.get("/session").document | {"csrf": ""} == {
        "key": IDENT,
        "project": "",
        "rights": ["admin"],
        "mayRead": True,
        "mayChange": True,
        "csrf": "",
    }


def test_cookie_of_an_encrypted_connection_goes_over_no_other(visitor):
    visitor.sent = {"x-forwarded-proto": "https"}
    assert visitor.login(IDENT, SECRET).headers["set-cookie"].endswith("; Secure")


def test_wrong_secret_and_unknown_key_are_told_the_same(visitor):
    answers = [
        visitor.login(IDENT, "wrong"),
        visitor.login("nobody", SECRET),
        visitor.login("", ""),
        visitor.login(IDENT, ""),
    ]
    for answer in answers:
        assert answer.status == 401
        assert "do not go together" in answer.text
        assert "set-cookie" not in answer.headers


def test_key_id_of_a_refused_log_in_is_escaped(visitor):
    answer = visitor.login('"><script>alert(1)</script>', "x")
    assert "<script>alert" not in answer.text
    assert "&#34;&gt;&lt;script&gt;" in answer.text


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("/console/search/shop/web?q=a%20b&from=-1h", "/console/search/shop/web?q=a%20b&from=-1h"),
        ("https://evil.example/console/", "/console/"),
        ("//evil.example/console/", "/console/"),
        ("/console/..//evil.example", "/console/"),
        ("/console/\\evil.example", "/console/"),
        ("/logstores", "/console/"),
        ("//[", "/console/"),
        ("/console/?q=" + "x" * 9000, "/console/"),
        ("/console/\r\nSet-Cookie: a=b", "/console/"),
        ("javascript:alert(1)", "/console/"),
    ],
)
def test_log_in_leads_to_a_page_of_the_console_only(visitor, wanted, given):
    assert visitor.login(IDENT, SECRET, next=wanted).headers["location"] == given


def test_log_in_from_a_page_of_another_site_is_refused(visitor):
    for header in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        visitor.sent = header
        assert visitor.login(IDENT, SECRET).status == 403
    visitor.sent = {"origin": f"http://127.0.0.1:{visitor.service.port}"}
    assert visitor.login(IDENT, SECRET).status == 303


def test_nobody_is_asked_to_log_in(visitor):
    for cookie in ("", "x" * 43, "ü"):
        visitor.cookie = cookie.encode().decode("latin-1")
        answer = visitor.get("/projects")
        assert (answer.status, answer.document["errorCode"]) == (401, "SessionExpired")


def test_log_out_ends_the_session(root):
    assert root.change("POST", "/logout", x_loghub_csrf="wrong").status == 403
    answer = root.post("/logout")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert root.get("/session").status == 401


def test_deleted_key_opens_nothing_from_then_on(service, mint, visitor, as_api):
    minted = mint("read")
    visitor.login(minted.access_key_id, minted.access_key_secret)
    assert visitor.get("/projects").status == 200
    as_api(lambda api: api.delete_key(minted.access_key_id))
    assert visitor.get("/projects").document["errorCode"] == "SessionExpired"


def test_key_whose_secret_changed_opens_nothing(storage):
    of, found = services.make(storage, ()), sessions.Sessions(storage)
    storage.create_project("shop", "")
    storage.add_key(key(secret="before"))
    token, _ = found.open(key(secret="before"))
    cookie = f"{protection.COOKIE}={token}".encode()
    request = Request({"type": "http", "headers": [(b"cookie", cookie)]})
    assert entering.whose(request, of, found)[1].ident == "one"
    storage.delete_key("one")
    storage.add_key(key(secret="after"))
    with pytest.raises(errors.SlsError, match="SessionExpired"):
        entering.whose(request, of, found)


def test_sessions_outlive_a_restart_and_so_do_their_ends(tmp_path, visitor):
    running = Service(tmp_path / "data")
    running.start()
    stays, goes, elsewhere = (type(visitor)(running) for _ in range(3))
    try:
        for each in (stays, goes, elsewhere):
            assert each.login(IDENT, SECRET).status == 303
        ended = goes.cookie
        assert goes.post("/logout").status == 200
        running.kill()
        running.start()
        assert stays.get("/session").document["csrf"] == stays.csrf
        assert stays.post("/logout").status == 200
        goes.cookie = ended
        assert goes.get("/session").status == 401
        assert stays.get("/session").status == 401
        assert elsewhere.get("/session").status == 200
    finally:
        assert running.stop() == 0


def test_another_service_opens_no_cookie_of_this_one(tmp_path, root, visitor):
    running = Service(tmp_path / "data")
    running.start()
    try:
        stranger = type(visitor)(running, cookie=root.cookie)
        assert stranger.get("/session").status == 401
    finally:
        assert running.stop() == 0


def test_too_many_failures_have_to_wait(tmp_path, visitor):
    running = Service(tmp_path / "data")
    running.start()
    visitor.service = running
    try:
        for _ in range(attempts.MAX_OF_PEER):
            assert visitor.login("nobody", "x").status == 401
        answer = visitor.login(IDENT, SECRET)  # even the right one: nothing is compared any more
        assert answer.status == 429
        assert 0 < int(answer.headers["retry-after"]) <= attempts.WINDOW_SECONDS
        assert "Too many failed log-ins" in answer.text
    finally:
        assert running.stop() == 0


def test_failures_are_forgotten_after_the_window_and_bounded():
    found = attempts.Attempts()
    for _ in range(attempts.MAX_OF_PEER):
        found.failed("10.0.0.1", "one", 0.0)
    assert found.wait("10.0.0.1", "two", 1.0) == attempts.WINDOW_SECONDS - 1
    assert found.wait("10.0.0.2", "one", 1.0) == 0
    assert found.wait("10.0.0.1", "two", attempts.WINDOW_SECONDS) == 0
    for number in range(attempts.MAX_NAMES):
        found.failed(f"10.1.{number >> 8}.{number & 255}", str(number), 2.0)
    assert len(found._failures) <= attempts.MAX_NAMES


def test_addresses_of_one_ipv6_network_are_one():
    found = attempts.Attempts()
    for number in range(attempts.MAX_OF_PEER):
        found.failed(f"2001:db8::{number:x}", str(number), 0.0)
    assert found.wait("2001:db8::ffff", "x", 0.0) > 0
    assert found.wait("2001:db8:0:1::1", "x", 0.0) == 0


def test_session_ends_when_idle_and_after_a_day_of_work(storage):
    clock = Clock()
    found = sessions.Sessions(storage, clock)
    token, _ = found.open(key())
    clock.now += sessions.IDLE_SECONDS
    assert found.find(token) is not None
    clock.now += 1
    assert found.find(token) is None
    token, opened = found.open(key())
    while clock.now <= opened.opened + sessions.MAX_SECONDS:
        session = found.find(token)
        assert session is not None
        assert (session.csrf, session.opened) == (opened.csrf, opened.opened)
        token = found.renewed(session) or token
        clock.now += sessions.IDLE_SECONDS / 2
    assert found.find(token) is None


def test_cookie_is_made_anew_when_it_was_used_for_a_while_and_no_sooner(storage):
    clock = Clock()
    found = sessions.Sessions(storage, clock)
    token, session = found.open(key())
    assert found.renewed(session) == ""
    clock.now += sessions.RENEW_SECONDS
    newer = found.find(found.renewed(session))
    assert newer is not None
    assert newer.seen == clock.now
    # The older one says nothing of its use, and ends by itself.
    clock.now += sessions.IDLE_SECONDS - 1
    assert (found.find(token), found.find(found.renewed(newer))) != (None, None)
    assert found.find(token) is None


def test_session_of_a_future_that_no_clock_explains_opens_nothing(storage):
    clock = Clock()
    found = sessions.Sessions(storage, clock)
    token, _ = found.open(key())
    clock.now -= sessions.SKEW_SECONDS
    assert found.find(token) is not None
    clock.now -= 1
    assert found.find(token) is None


def test_session_is_of_the_secret_that_logged_in(storage):
    found = sessions.Sessions(storage)
    _, session = found.open(key())
    assert found.still(session, key())
    assert not found.still(session, key(secret="another"))


@hypothesis.settings(
    max_examples=100,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
    deadline=None,
)
@hypothesis.given(
    at=strategies.integers(0, 400), bit=strategies.integers(0, 7), text=strategies.text()
)
def test_changed_or_invented_cookie_opens_nothing(storage, at, bit, text):
    found = sessions.Sessions(storage)
    assert found.find(text) is None
    token, session = found.open(key())
    assert found.find(token) == session
    sealed = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    sealed[at % len(sealed)] ^= 1 << bit
    assert found.find(base64.urlsafe_b64encode(bytes(sealed)).decode().rstrip("=")) is None


def test_two_replicas_with_one_storage_open_each_others_sessions_and_end_them(storage):
    one, other = sessions.Sessions(storage), sessions.Sessions(storage)
    token, session = one.open(key())
    assert other.find(token) == session
    other.close(session)
    assert one.find(token) is None
    assert one.find(one._seal(session)) is None


def test_log_outs_are_bounded_and_those_of_one_key_end_no_others(storage, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_LOGOUTS", 3)
    clock = Clock()
    found = sessions.Sessions(storage, clock)
    mine, _ = found.open(key("mine"))
    early, _ = found.open(key("theirs"))
    closed = [found.open(key("theirs")) for _ in range(4)]
    for _, session in closed:
        found.close(session)
    kept = storage.documents("", "console-logout")
    assert len(kept) == 1, "beyond the bound one document ends them together"
    assert found.find(mine) is not None
    assert [found.find(token) for token in (early, *(each for each, _ in closed))] == [None] * 5
    clock.now += 1
    later, session = found.open(key("theirs"))
    assert found.find(later) == session


def test_log_outs_are_forgotten_when_their_sessions_would_be_over(storage):
    clock = Clock()
    found = sessions.Sessions(storage, clock)
    found.close(found.open(key())[1])
    clock.now += sessions.MAX_SECONDS + 2 * sessions.SKEW_SECONDS
    _, session = found.open(key())
    found.close(session)
    [kept] = storage.documents("", "console-logout")
    assert kept.name.endswith(session.ident)
