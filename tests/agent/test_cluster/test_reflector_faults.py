"""The reflector against a server that misbehaves: it always ends up with what is true."""

import asyncio

import pytest


async def test_list_then_watch_gives_the_sink_every_change(
    faulty, reflected, things, until, watch_line
):
    faulty.lists.append(("5", "a", "b"))
    changes = [watch_line("ADDED", "c", "6"), watch_line("DELETED", "a", "7"),
               watch_line("MODIFIED", "b", "8"), None]  # fmt: skip
    faulty.watches.append(changes)
    watch = reflected()
    await until(lambda: watch.resource_version == "8")
    assert things.names == {"b", "c"}
    assert things.told == ["replace", "upsert c", "remove a", "upsert b"]


async def test_first_list_is_from_the_cache_and_watch_asks_for_bookmarks(faulty, reflected, until):
    reflected()
    await until(lambda: faulty.queries(watch=True))
    assert faulty.queries(watch=False)[0] == {"labelSelector": "a=b", "resourceVersion": "0"}
    assert faulty.queries(watch=True)[0] == {
        "labelSelector": "a=b",
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "1",
        "timeoutSeconds": "30",
    }


async def test_watch_ended_by_the_server_goes_on_where_it_was_without_a_list(
    faulty, reflected, things, until, watch_line
):
    faulty.watches += [[watch_line("ADDED", "a", "6")], [watch_line("ADDED", "b", "7"), None]]
    reflected()
    await until(lambda: "b" in things.names)
    assert [query["resourceVersion"] for query in faulty.queries(watch=True)] == ["1", "6"]
    assert len(faulty.queries(watch=False)) == 1


async def test_bookmark_moves_the_version_and_is_no_change(
    faulty, reflected, things, until, watch_line
):
    faulty.watches += [[watch_line("BOOKMARK", version="90")]]
    watch = reflected()
    await until(lambda: len(faulty.queries(watch=True)) == 2)
    assert faulty.queries(watch=True)[1]["resourceVersion"] == "90"
    assert watch.resource_version == "90"
    assert things.told == ["replace"]


async def test_expired_version_in_the_stream_gives_a_new_list_no_older(
    faulty, reflected, things, until, watch_line, expired_line
):
    faulty.lists += [("5", "a"), ("50", "b")]
    faulty.watches += [[watch_line("ADDED", "c", "6"), expired_line]]
    reflected()
    await until(lambda: things.names == {"b"})
    assert faulty.queries(watch=False)[1] == {
        "labelSelector": "a=b",
        "resourceVersion": "6",
        "resourceVersionMatch": "NotOlderThan",
    }


async def test_expired_version_as_an_answer_gives_a_new_list(faulty, reflected, things, until):
    faulty.lists += [("50", "b")]
    faulty.watches += [410]
    reflected(resume="5")
    await until(lambda: things.names == {"b"})
    assert faulty.queries(watch=True)[0]["resourceVersion"] == "5"


@pytest.mark.parametrize("status", [410, 504])
async def test_list_whose_version_is_refused_is_asked_anew_from_the_source(
    faulty, reflected, things, until, status
):
    faulty.lists += [(status,), ("50", "b")]
    faulty.watches += [410]
    reflected(resume="99999")
    await until(lambda: things.names == {"b"})
    assert [query["resourceVersion"] for query in faulty.queries(watch=False)] == ["99999", ""]


async def test_version_from_the_future_is_listed_anew(faulty, reflected, things, until):
    faulty.lists += [("50", "b")]
    faulty.watches += [504]
    reflected(resume="99999")
    await until(lambda: things.names == {"b"})
    assert faulty.queries(watch=False)[0]["resourceVersion"] == ""


async def test_stream_cut_in_the_middle_of_a_line_loses_nothing(
    faulty, reflected, things, until, watch_line
):
    whole = watch_line("ADDED", "b", "7")
    faulty.watches += [
        [watch_line("ADDED", "a", "6"), whole[: len(whole) // 2], "cut"],
        [whole, None],
    ]
    reflected()
    await until(lambda: things.names == {"a", "b"})
    assert faulty.queries(watch=True)[1]["resourceVersion"] == "6"
    assert len(faulty.queries(watch=False)) == 1


async def test_stream_that_ends_in_the_middle_of_a_line_gives_no_half_event(
    faulty, reflected, things, until, watch_line
):
    faulty.watches += [[watch_line("ADDED", "a", "6"), watch_line("ADDED", "b", "7")[:-5]]]
    reflected()
    await until(lambda: len(faulty.queries(watch=True)) == 2)
    assert things.names == {"a"}
    assert faulty.queries(watch=True)[1]["resourceVersion"] == "6"


async def test_silent_watch_is_given_up_and_opened_again(
    faulty, reflected, things, until, watch_line
):
    faulty.watches += [[watch_line("ADDED", "a", "6"), None], [watch_line("ADDED", "b", "7"), None]]
    watch = reflected()
    await until(lambda: things.names == {"a", "b"})
    assert faulty.queries(watch=True)[1]["resourceVersion"] == "6"
    assert len(faulty.queries(watch=False)) == 1
    assert watch.watches == 2


@pytest.mark.parametrize(
    "junk",
    [b"not json\n", b"[]\n", b'{"type":"ADDED"}\n', b'{"type":"ADDED","object":{}}\n',
     b'{"type":"ADDED","object":null}\n', b"[" * 5000 + b"\n"],
)  # fmt: skip
async def test_event_that_is_none_ends_the_watch_and_the_next_one_works(
    faulty, reflected, things, until, watch_line, junk
):
    faulty.watches += [[junk], [watch_line("ADDED", "a", "6"), None]]
    reflected()
    await until(lambda: things.names == {"a"})


async def test_endless_line_is_cut_off(faulty, reflected, things, until, watch_line):
    faulty.watches += [[b"x" * 1_000_000] * 17, [watch_line("ADDED", "a", "6"), None]]
    reflected()
    await until(lambda: things.names == {"a"})


async def test_server_away_keeps_what_is_there_and_comes_back(
    faulty, reflected, things, until, watch_line
):
    faulty.watches += [503] * 5 + [[watch_line("ADDED", "a", "6"), None]]
    watch = reflected(resume="5")
    await until(lambda: "503" in watch.complaint)
    assert watch.has_picture
    await until(lambda: things.names == {"a"})
    assert not watch.complaint
    assert not faulty.queries(watch=False)


async def test_list_that_breaks_off_changes_nothing(faulty, reflected, things, until):
    faulty.lists += [(500,), (403,), ("5", "a")]
    reflected()
    await until(lambda: things.names == {"a"})
    assert things.told == ["replace"]


async def test_retry_after_is_the_least_wait(faulty, reflected, until):
    faulty.lists += [(429, ("Retry-After", "1"))]
    loop = asyncio.get_running_loop()
    started = loop.time()
    reflected()
    await until(lambda: faulty.queries(watch=True))
    assert loop.time() - started >= 1


async def test_watch_that_ends_at_once_without_a_word_is_no_hot_loop(faulty, reflected, until):
    faulty.watches += [[] for _ in range(8)]
    loop = asyncio.get_running_loop()
    started = loop.time()
    reflected()
    await until(lambda: len(faulty.queries(watch=True)) == 9)
    assert loop.time() - started >= 0.1  # eight waits between half of 10 and of 50 ms
    assert len(faulty.queries(watch=False)) == 1


async def test_resumed_watch_needs_no_list(faulty, reflected, things, until, watch_line):
    faulty.watches += [[watch_line("DELETED", "a", "7"), None]]
    things.names = {"a", "b"}
    reflected(resume="6")
    await until(lambda: things.names == {"b"})
    assert not faulty.queries(watch=False)
