"""A session may do what its key may do over the API, no more and no less."""

OTHER, PROJECT = "bank", "shop"


def test_key_of_a_project_sees_its_own_only(as_key, make_store):
    theirs = make_store(OTHER)
    theirs.put({"account": "42"})
    visitor = as_key("read", "write", "admin")
    assert [each["projectName"] for each in visitor.get("/projects").document["projects"]] == [
        PROJECT
    ]
    asked = {"query": "*"} | theirs.range
    refused = [
        visitor.get(f"/projects/{OTHER}/logstores"),
        visitor.get(theirs.path),
        visitor.get(f"{theirs.path}/shards"),
        visitor.get(f"{theirs.path}/index"),
        visitor.post(f"{theirs.path}/search", asked),
        visitor.get(f"{theirs.path}/histogram", **asked),
        visitor.get(f"{theirs.path}/context", pack_id="A-1", pack_meta="0|MA==|1|0"),
        visitor.post(f"{theirs.path}/fields", asked),
        visitor.post(f"{theirs.path}/tail", {"query": "*"}),
        visitor.post(f"{theirs.path}/download", asked),
        visitor.change("PUT", theirs.path, {"ttl": 1}),
    ]
    for answer in refused:
        assert (answer.status, answer.document["errorCode"]) == (401, "Unauthorized")
        assert b"42" not in answer.body


def test_reading_key_changes_nothing(as_key, store):
    visitor = as_key("read")
    store.put({"message": "hello"})
    assert visitor.get("/session").document["mayChange"] is False
    found = visitor.post(f"{store.path}/search", {"query": "hello"} | store.range).document
    assert len(found["records"]) == 1
    refused = [
        visitor.change("PUT", store.path, {"ttl": 1}),
        visitor.change("POST", f"{store.path}/shards/0?action=split"),
        visitor.change("PUT", f"{store.path}/index", {"line": {}}),
        visitor.change("DELETE", f"{store.path}/index"),
    ]
    for answer in refused:
        assert answer.document["errorCode"] == "Unauthorized"
        assert "no right to admin" in answer.document["errorMessage"]
    assert visitor.get(store.path).document["ttl"] == 30


def test_writing_key_reads_nothing(as_key, store):
    visitor = as_key("write")
    store.put({"message": "hello"})
    for answer in (
        visitor.post(f"{store.path}/search", {"query": ""} | store.range),
        visitor.post(f"{store.path}/tail", {}),
        visitor.post(f"{store.path}/download", {"query": ""} | store.range),
    ):
        assert answer.document["errorCode"] == "Unauthorized"


def test_admin_key_changes_retention_shards_and_index(as_key, store):
    visitor = as_key("read", "admin")
    assert visitor.change("PUT", store.path, {"ttl": 7}).status == 200
    assert visitor.get(store.path).document["ttl"] == 7
    assert visitor.change("POST", f"{store.path}/shards/0?action=split").status == 200
    shards = visitor.get(f"{store.path}/shards").document
    assert [each["status"] for each in shards] == ["readonly", "readwrite", "readwrite"]
    assert visitor.change("POST", f"{store.path}/shards/1?action=merge").status == 200
    assert visitor.change("DELETE", f"{store.path}/shards/0").status == 200
    assert visitor.change("PUT", f"{store.path}/index", {"line": {"token": [" "]}}).status == 200
    assert visitor.get(f"{store.path}/index").document["line"]["token"] == [" "]


def test_wrong_setting_is_refused_in_the_apis_words(root, store):
    answer = root.change("PUT", store.path, {"ttl": 0})
    assert answer.status == 400
    assert "ttl is 0; it must be a whole number in [1, 3650]" in answer.document["errorMessage"]


def test_keys_projects_and_writes_are_out_of_reach(root, store):
    for method, path in (
        ("POST", "/keys"),
        ("POST", "/projects"),
        ("DELETE", f"/projects/{PROJECT}"),
        ("DELETE", store.path),
        ("POST", store.path),
    ):
        answer = root.change(method, path, {})
        assert answer.document["errorCode"] == "NotSupported", (method, path)


def test_reads_count_against_the_projects_quota(service, root, make_store, as_api):
    store = make_store(OTHER)
    set_reads(as_api, 1)
    try:
        codes = {
            root.post(f"{store.path}/tail", {"query": ""}).document.get("errorCode")
            for _ in range(40)
        }
        assert "ReadQuotaExceed" in codes
    finally:
        set_reads(as_api, 10_000)


def set_reads(as_api, count):
    query, body = [("project", OTHER)], {"readsPerSecond": count}
    as_api(lambda api: api._call("PUT", "/loghub/v1/quotas", query=query, body=body))
