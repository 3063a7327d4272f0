"""Names, shards, documents, checkpoints, keys: the same answers from every backend."""

import threading
import time
from collections.abc import Callable

import pytest

from loghub_ingest.storage import contract

PROJECT, STORE = "shop-project", "web"
DOCUMENT = {"ttl": 30, "shardCount": 2, "maxSplitShard": 64}


@pytest.fixture
def store(catalogue) -> contract.Logstore:
    assert catalogue.create_project(PROJECT, "a shop")
    assert catalogue.create_logstore(PROJECT, STORE, DOCUMENT)
    return current(catalogue)


def current(catalogue) -> contract.Logstore:
    found = catalogue.logstore(PROJECT, STORE)
    assert found is not None
    return found


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run all at the same instant, in threads; their answers in order."""
    barrier, answers = threading.Barrier(len(calls)), [None] * len(calls)

    def run(at: int, call: Callable[[], object]) -> None:
        barrier.wait()
        answers[at] = call()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def key(ident: str, project: str = PROJECT, created: int = 5) -> contract.AccessKey:
    return contract.AccessKey(ident, f"secret of {ident}", project, frozenset({"read"}), created)


def test_project_lives_from_create_to_delete(catalogue):
    before = int(time.time())
    assert catalogue.project(PROJECT) is None
    assert catalogue.create_project(PROJECT, "a shop")
    found = catalogue.project(PROJECT)
    assert (found.name, found.description) == (PROJECT, "a shop")
    assert before - 1 <= found.created == found.modified <= time.time() + 1
    assert catalogue.update_project(PROJECT, "another")
    assert catalogue.project(PROJECT).description == "another"
    assert catalogue.project(PROJECT).created == found.created
    catalogue.delete_project(PROJECT)
    assert catalogue.project(PROJECT) is None
    assert not catalogue.update_project(PROJECT, "gone")
    catalogue.delete_project(PROJECT)


def test_projects_and_logstores_are_listed_by_name(catalogue):
    for name in ("shop-b", "shop-a-z", "shop-a"):
        catalogue.create_project(name, "")
    assert [each.name for each in catalogue.projects()] == ["shop-a", "shop-a-z", "shop-b"]
    for name in ("b_b", "ba", "b-c"):
        catalogue.create_logstore("shop-a", name, DOCUMENT)
    assert [each.name for each in catalogue.logstores("shop-a")] == ["b-c", "b_b", "ba"]
    assert catalogue.logstores("shop-b") == []


def test_name_is_given_once(catalogue, store):
    assert not catalogue.create_project(PROJECT, "second")
    assert catalogue.project(PROJECT).description == "a shop"
    assert not catalogue.create_logstore(PROJECT, STORE, DOCUMENT | {"ttl": 1})
    assert current(catalogue) == store


@pytest.mark.parametrize("what", ["project", "logstore", "document"])
def test_name_that_many_ask_for_at_once_is_given_to_one(catalogue, store, what):
    def ask(number: int) -> bool:
        if what == "project":
            return catalogue.create_project("other", str(number))
        if what == "logstore":
            return catalogue.create_logstore(PROJECT, "other", DOCUMENT | {"ttl": number + 1})
        return catalogue.add_document(PROJECT, "kind", "other", {"number": number})

    answers = at_once(*(lambda number=number: ask(number) for number in range(6)))
    assert sorted(answers) == [False] * 5 + [True]
    winner = answers.index(True)
    if what == "project":
        assert catalogue.project("other").description == str(winner)
    elif what == "logstore":
        assert catalogue.logstore(PROJECT, "other").ttl_days == winner + 1
    else:
        assert catalogue.document(PROJECT, "kind", "other").body == {"number": winner}


def test_logstore_of_a_project_that_is_gone_is_not_made(catalogue):
    assert not catalogue.create_logstore(PROJECT, STORE, DOCUMENT)
    assert catalogue.logstore(PROJECT, STORE) is None


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_of_a_new_logstore_divide_the_key_space(catalogue, count):
    catalogue.create_project(PROJECT, "")
    catalogue.create_logstore(PROJECT, STORE, DOCUMENT | {"shardCount": count})
    shards = current(catalogue).shards
    assert [each.number for each in shards] == list(range(count))
    assert [each.begin for each in shards] == [0, *(each.end for each in shards[:-1])]
    assert shards[-1].end == contract.KEY_SPACE
    assert not any(each.sealed or each.parents for each in shards)


def test_document_and_index_of_a_logstore_change_apart(catalogue, store):
    index = {"keys": {"ü": {"type": "long"}}}
    assert catalogue.set_index(store, index)
    # With the copy from before: what the other call has set stays.
    assert catalogue.update_logstore(store, DOCUMENT | {"ttl": 3})
    found = current(catalogue)
    assert (found.index, found.ttl_days, found.shards) == (index, 3, store.shards)
    assert catalogue.set_index(store, None)
    assert current(catalogue).index is None
    assert current(catalogue).modified >= store.modified


def test_split_and_merge_hand_the_key_space_on(catalogue, store):
    first, second = store.shards
    middle = (first.begin + first.end) // 2
    split = catalogue.replace_shards(
        store, [first.number], [(first.begin, middle), (middle, first.end)]
    )
    assert split == current(catalogue)
    assert [each.number for each in split.shards] == [0, 1, 2, 3]
    assert split.shards[0].sealed > 0
    assert [each.parents for each in split.shards] == [(), (), (0,), (0,)]
    assert [each.number for each in split.writable] == [1, 2, 3]
    assert split.document["shardCount"] == 3
    merged = catalogue.replace_shards(split, [3, 1], [(middle, second.end)])
    assert [each.number for each in merged.writable] == [2, 4]
    assert merged.shards[4].parents == (3, 1)
    assert merged.document["shardCount"] == 2
    assert catalogue.replace_shards(merged, [0], [(first.begin, middle)]) is None
    assert current(catalogue) == merged


def test_shard_that_many_split_at_once_is_split_once(catalogue, store):
    halves = contract.divide(0, store.shards[0].end, 2)
    answers = at_once(*([lambda: catalogue.replace_shards(store, [0], halves)] * 6))
    assert sum(each is not None for each in answers) == 1
    assert [each.number for each in current(catalogue).shards] == [0, 1, 2, 3]


def test_only_read_only_shards_are_deleted_and_no_number_is_used_again(catalogue, store):
    catalogue.replace_shards(store, [0], contract.divide(0, store.shards[0].end, 2))
    catalogue.delete_shards(store, [0, 1, 77])
    assert [each.number for each in current(catalogue).shards] == [1, 2, 3]
    end = current(catalogue).shards[0].end
    catalogue.replace_shards(current(catalogue), [3, 1], [(store.shards[0].end // 2, end)])
    catalogue.delete_shards(store, [3, 1])
    assert [each.number for each in current(catalogue).shards] == [2, 4]


def test_logstore_made_again_is_another_one(catalogue, store):
    catalogue.set_checkpoint(store.ident, "group", 0, "MQ==", consumer="c")
    catalogue.add_document(PROJECT, store.consumer_groups, "group", {})
    catalogue.delete_logstore(store)
    assert catalogue.logstore(PROJECT, STORE) is None
    assert not catalogue.update_logstore(store, DOCUMENT)
    assert not catalogue.set_index(store, {})
    assert catalogue.replace_shards(store, [0], [(0, 1)]) is None
    assert catalogue.create_logstore(PROJECT, STORE, DOCUMENT)
    again = current(catalogue)
    assert again.ident != store.ident
    for old, new in zip(store.shards, again.shards, strict=True):
        assert new.first_sequence > old.first_sequence, "an old cursor would be valid again"
    assert catalogue.checkpoints(again.ident, "group") == {}
    assert catalogue.documents(PROJECT, again.consumer_groups) == []
    # Whoever still holds the old one does nothing to the new one.
    assert not catalogue.update_logstore(store, DOCUMENT | {"ttl": 1})
    catalogue.delete_shards(store, [0])
    catalogue.delete_logstore(store)
    assert current(catalogue) == again


def test_project_goes_with_everything_in_it(catalogue, store):
    catalogue.create_project("other", "")
    catalogue.add_key(key("AK"))
    catalogue.add_key(key("BK", "other"))
    for project in (PROJECT, "other"):
        catalogue.add_document(project, contract.TAGS, project, {"a": "b"})
    catalogue.delete_project(PROJECT)
    assert catalogue.logstore(PROJECT, STORE) is None
    assert catalogue.logstores(PROJECT) == []
    assert catalogue.key("AK") is None
    assert catalogue.document(PROJECT, contract.TAGS, PROJECT) is None
    assert catalogue.key("BK") is not None
    assert catalogue.document("other", contract.TAGS, "other").body == {"a": "b"}
    catalogue.create_project(PROJECT, "")
    assert catalogue.logstores(PROJECT) == []


def test_documents_are_kept_by_project_kind_and_name(catalogue, store):
    body = {"text": "ü\n\u0000", "list": [1, 2.5, None, True]}
    assert catalogue.add_document(PROJECT, "a", "x", body)
    assert not catalogue.add_document(PROJECT, "a", "x", {})
    assert catalogue.add_document(PROJECT, "b", "x", {})
    found = catalogue.document(PROJECT, "a", "x")
    assert (found.name, found.body) == ("x", body)
    assert catalogue.set_document(PROJECT, "a", "x", {"new": 1})
    assert catalogue.document(PROJECT, "a", "x").body == {"new": 1}
    assert catalogue.document(PROJECT, "b", "x").body == {}
    assert not catalogue.set_document(PROJECT, "a", "y", {})
    for name in ("b", "B", "a-a", "a_a", "aa"):
        catalogue.add_document(PROJECT, "a", name, {})
    listed = [each.name for each in catalogue.documents(PROJECT, "a")]
    assert listed == sorted(["b", "B", "a-a", "a_a", "aa", "x"])
    assert catalogue.delete_document(PROJECT, "a", "x")
    assert not catalogue.delete_document(PROJECT, "a", "x")


def test_checkpoint_is_the_last_one_of_its_shard(catalogue, store):
    before = time.time_ns() // 1000
    for text in ("MQ==", "Mg=="):
        catalogue.set_checkpoint(store.ident, "group", 1, text, consumer="c")
    catalogue.set_checkpoint(store.ident, "group", 0, "OQ==", consumer="d")
    catalogue.set_checkpoint(store.ident, "other", 1, "Nw==", consumer="c")
    found = catalogue.checkpoints(store.ident, "group")
    assert {number: (each.cursor, each.consumer) for number, each in found.items()} == {
        1: ("Mg==", "c"),
        0: ("OQ==", "d"),
    }
    assert before <= found[1].updated <= time.time_ns() // 1000
    catalogue.delete_checkpoints(store.ident, "group")
    assert catalogue.checkpoints(store.ident, "group") == {}
    assert len(catalogue.checkpoints(store.ident, "other")) == 1


def test_ticket_is_the_last_one_of_its_hash_key(catalogue, store):
    def ticket(hash_key: str, number: int) -> contract.Ticket:
        return contract.Ticket(store.ident, hash_key, number, 0, 2**62, 7, "digest")

    catalogue.set_tickets([ticket("a", 1), ticket("b", 1)])
    catalogue.set_tickets([ticket("a", 2**63 - 1)])
    assert catalogue.ticket(store.ident, "a") == ticket("a", 2**63 - 1)
    assert catalogue.ticket(store.ident, "b") == ticket("b", 1)
    assert catalogue.ticket(store.ident, "c") is None
    assert catalogue.count_tickets(store.ident) == 2
    catalogue.delete_logstore(store)
    assert catalogue.count_tickets(store.ident) == 0


def test_keys_are_found_by_ident_and_by_project(catalogue, store):
    for each in (key("BK", created=7), key("AK", created=9), key("CK", created=7)):
        assert catalogue.add_key(each)
    assert catalogue.add_key(key("root", project=""))
    assert [each.ident for each in catalogue.keys(PROJECT)] == ["BK", "CK", "AK"]
    assert catalogue.key("AK") == key("AK", created=9)
    assert catalogue.key("AK").secret == "secret of AK"
    assert [each.ident for each in catalogue.keys("")] == ["root"]
    changed = contract.AccessKey("AK", "another", PROJECT, frozenset({"write"}), 9)
    assert catalogue.add_key(changed)
    assert catalogue.key("AK") == changed
    catalogue.delete_key("AK")
    assert catalogue.key("AK") is None
    assert not catalogue.add_key(key("DK", project="gone"))
    assert catalogue.key("DK") is None
