"""The control's memory on disk: round trip, torn and foreign files, modes."""

import json
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_agent import errors, state

SCOPE = {"installation": "uid-1", "namespace": "loghub", "node": "node-1"}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


@given(st.text(), st.lists(VALUES, max_size=5))
def test_whatever_is_saved_comes_back(folder, version, items):
    directory = state.Directory(folder, SCOPE)
    saved = state.Saved(version, items)
    directory.save("pods", saved)
    assert directory.load("pods") == saved


def test_nothing_saved_is_nothing(tmp_path):
    assert state.Directory(tmp_path, SCOPE).load("pods") is None


@pytest.mark.parametrize("key", sorted(SCOPE))
def test_file_of_another_scope_is_as_good_as_none(tmp_path, key):
    state.Directory(tmp_path, SCOPE | {key: "other"}).save("pods", state.Saved("5", [1]))
    assert state.Directory(tmp_path, SCOPE).load("pods") is None


def test_file_torn_at_any_byte_is_refused(tmp_path):
    directory = state.Directory(tmp_path, SCOPE)
    directory.save("pods", state.Saved("5", [{"name": "ä"}]))
    path = tmp_path / "control" / "pods.json"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(errors.StateError, match="torn or not ours"):
            directory.load("pods")


@pytest.mark.parametrize("content", [b"\0" * 100, b"[]", b"{}", b'"text"', b"[" * 100_000])
def test_file_with_anything_else_is_refused(tmp_path, content):
    directory = state.Directory(tmp_path, SCOPE)
    (tmp_path / "control" / "pods.json").write_bytes(content)
    with pytest.raises(errors.StateError):
        directory.load("pods")


def test_file_of_a_newer_format_is_refused_by_name(tmp_path):
    directory = state.Directory(tmp_path, SCOPE)
    directory.save("pods", state.Saved("5", []))
    path = tmp_path / "control" / "pods.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(errors.StateError, match="has format 2, this agent knows 1"):
        directory.load("pods")


def test_files_are_for_the_agent_alone(tmp_path):
    before = os.umask(0)
    try:
        state.Directory(tmp_path, SCOPE).save("secrets", state.Saved("5", [["k", "id", "s"]]))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "control" / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "control").stat().st_mode) == 0o700


def test_draft_left_by_a_crash_is_overwritten_with_the_right_mode(tmp_path):
    directory = state.Directory(tmp_path, SCOPE)
    draft = tmp_path / "control" / "secrets.json.new"
    draft.write_text("torn")
    draft.chmod(0o644)
    directory.save("secrets", state.Saved("5", [1]))
    assert directory.load("secrets") == state.Saved("5", [1])
    assert stat.S_IMODE((tmp_path / "control" / "secrets.json").stat().st_mode) == 0o600
    assert not draft.exists()


def test_directory_that_cannot_be_made_is_refused_with_the_flag(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.StateError, match="--state"):
        state.Directory(tmp_path / "file", SCOPE)
