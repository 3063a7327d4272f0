"""Files that programs write themselves, found by patterns: rotated, copied, moved, and many."""

import os
import time

import pytest

from rig import agent, program

SOAK = pytest.mark.soak


@pytest.fixture
def logs(scene):
    """A directory of which the pipeline takes every *.log, at any depth."""
    folder = scene.agent.home / "logs"
    folder.mkdir()
    take(scene, f"paths: ['{folder}/**/*.log'], exclude: ['{folder}/**/debug*']")
    return folder


def take(scene, files):
    scene.agent.pipeline("lines", rest=f"  input: {{nodeFiles: {{{files}}}}}\n")


def arrived(scene, *programs):
    wanted = {content for each in programs for content in each.contents()}
    agent.until("the records", lambda: wanted <= set(scene.arrivals.contents()))


def test_lines_of_files_arrive_with_path_and_host_and_no_stream(scene, logs):
    first = program.Program(logs / "app.log")
    deep = program.Program(logs / "a/b/c/deep.log")
    left_out = program.Program(logs / "a/debug.log")
    for each in (first, deep, left_out):
        each.lines(10)
    scene.agent.start()
    arrived(scene, first, deep)
    later = program.Program(logs / "later/new.log")
    later.lines(10)
    first.raw(b"of Windows\r\n")
    scene.check([*first.contents(), *deep.contents(), *later.contents(), "of Windows"])
    tags = [dict(group.tags) for group in scene.arrivals.groups]
    paths = {str(each.path) for each in (first, deep, later)}
    assert {each["__path__"] for each in tags} == paths
    assert {each["__hostname__"] for each in tags} == {"node-1"}
    assert {tuple(dict(log.contents)) for log in scene.arrivals.logs} == {("content",)}


@pytest.mark.parametrize("down", [False, True])
def test_renamed_files_lose_and_repeat_nothing(scene, logs, down):
    app = program.Program(logs / "app.log")
    app.lines(1000)
    scene.agent.start()
    arrived(scene, app)
    for number in range(4):
        if down and number % 2 == 0:
            scene.agent.stop()
        app.lines(500)
        app.rename(compress=True)
        app.lines(30)  # to the renamed file, as a program does until it is told
        app.reopen()
        app.lines(500)
        if down and number % 2:
            scene.agent.start()
            arrived(scene, app)
        elif not down:
            time.sleep(0.3)
    scene.check(app.contents())


def test_program_that_never_reopens_its_log_is_followed(scene, logs):
    app = program.Program(logs / "app.log")
    app.lines(100)
    scene.agent.start()
    arrived(scene, app)
    app.rename()
    other = program.Program(logs / "app.log")  # another process has the new one
    other.raw(b"of the other process\n")
    agent.until("the other", lambda: "of the other process" in scene.arrivals.contents())
    for number in range(3):
        app.lines(10)
        arrived(scene, app)
        other.raw(f"more {number}\n".encode())
    more = [f"more {number}" for number in range(3)]
    scene.check([*app.contents(), "of the other process", *more])


@pytest.mark.parametrize("down", [False, True])
def test_copied_and_truncated_files_lose_and_repeat_nothing(scene, logs, down):
    app = program.Program(logs / "app.log")
    app.lines(1000)
    scene.agent.start()
    arrived(scene, app)
    for _ in range(3):
        if down:
            scene.agent.stop()
        else:
            os.kill(scene.agent.process.pid, 19)  # it looks away while it happens
        app.lines(700)  # read from the copy only
        app.copy_and_truncate()
        app.lines(1500)
        if down:
            scene.agent.start()
        else:
            os.kill(scene.agent.process.pid, 18)
        arrived(scene, app)
    scene.check(app.contents())


def test_killed_again_and_again_while_files_rotate_loses_nothing(scene, logs, rounds):
    app = program.Program(logs / "app.log")
    scene.agent.start("--batch-logs", "200")
    for number in range(5 * (1 + rounds)):
        app.lines(1000)
        time.sleep(0.15)
        if number % 2:
            app.rename(compress=True)
            app.reopen()
        app.lines(200)
        scene.agent.kill()
        scene.agent.start()
    scene.check(app.contents(), repeats=True)


def test_file_that_was_there_before_is_read_from_its_end_where_that_is_asked_for(scene, logs):
    old = program.Program(logs / "old.log")
    old.lines(100)
    size = 3 * (len(old.content(1)) + 1)
    take(scene, f"paths: ['{logs}/*.log'], startAt: End, tailBytes: {size}")
    old.raw(b"unfin")
    scene.agent.start()
    agent.until("the tail", lambda: len(scene.arrivals.contents()) >= 3)
    old.raw(b"ished\n")
    new = program.Program(logs / "new.log")
    new.lines(10)
    agent.until("the new file", lambda: set(new.contents()) <= set(scene.arrivals.contents()))
    scene.agent.stop()
    while_down = program.Program(logs / "down.log")
    while_down.lines(10)
    scene.agent.start()
    expected = [*old.contents()[-3:], "unfinished", *new.contents(), *while_down.contents()]
    scene.check(expected)


def test_links_are_followed_within_the_directory_and_never_out_of_it(scene, logs):
    (scene.agent.home / "secret.log").write_text("the key of the cluster\n")
    today = program.Program(logs / "app-20261125.log")
    today.lines(10)
    (logs / "current.log").symlink_to(today.path)
    (logs / "steal.log").symlink_to(scene.agent.home / "secret.log")
    (logs / "steal2.log").symlink_to("../secret.log")
    (logs / "steal").symlink_to(scene.agent.home)
    (logs / "loop.log").symlink_to("loop.log")
    os.mkfifo(logs / "pipe.log")
    scene.agent.start()
    arrived(scene, today)
    more = program.Program(logs / "more.log")
    more.lines(5)
    scene.check([*today.contents(), *more.contents()])


def test_file_that_may_not_be_read_stops_no_other_and_is_read_when_it_may(scene, logs):
    hidden, other = program.Program(logs / "hidden.log"), program.Program(logs / "other.log")
    closed = program.Program(logs / "closed/in.log")
    for each in (hidden, other, closed):
        each.lines(50)
    hidden.path.chmod(0)
    closed.path.parent.chmod(0)
    drop = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    scene.agent.start(through=drop if os.geteuid() == 0 else ())
    arrived(scene, other)
    scene.agent.until_said("ermission denied")
    hidden.path.chmod(0o644)
    closed.path.parent.chmod(0o755)
    scene.check([*hidden.contents(), *other.contents(), *closed.contents()])


def test_removed_files_are_read_to_their_end_and_their_names_used_again(scene, logs):
    first = program.Program(logs / "app.log")
    first.lines(2000)
    scene.agent.start()
    agent.until("it reads", lambda: scene.agent.metric("loghub_agent_read_lines_total{") > 0)
    first.path.unlink()
    again = program.Program(logs / "app.log")
    again.raw(b"a new file of that name\n")
    scene.check([*first.contents(), "a new file of that name"])


@pytest.mark.parametrize("count", [2000, pytest.param(10_000, marks=SOAK)])
@pytest.mark.timeout(240)
def test_many_files_of_one_tree_are_all_read(scene, logs, count):
    made = []
    for number in range(count):
        each = program.Program(logs / f"d{number % 50}" / f"n{number}.log", width=20)
        each.lines(2)
        each.close()
        made.append(each)
    scene.agent.start()
    arrived(scene, *made)
    with (logs / "d0/n0.log").open("a") as file:
        file.write("later\n")
    scene.check([*(content for each in made for content in each.contents()), "later"])


def test_gbk_arrives_as_utf8(scene, logs):
    take(scene, f"paths: ['{logs}/*.log'], encoding: GBK")
    app = program.Program(logs / "app.log")
    app.raw("\u65e5\u5fd7 \u4e57 ok\n".encode("gbk") + b"bad \xff\n")
    scene.agent.start()
    scene.check(["\u65e5\u5fd7 \u4e57 ok", "bad \ufffd"])


def test_stack_traces_of_a_file_are_one_record(scene, logs):
    files = f"paths: ['{logs}/*.log']"
    rest = f"  multiline: {{preset: Java, flushAfter: 1s}}\n  input: {{nodeFiles: {{{files}}}}}\n"
    scene.agent.pipeline("lines", rest=rest)
    app = program.Program(logs / "app.log")
    trace = "went wrong\njava.lang.Error: no\n\tat a.B.c(B.java:1)\n\tat a.B.d(B.java:2)"
    app.raw(f"before\n{trace}\nafter\n".encode())
    scene.agent.start()
    scene.check(["before", trace, "after"])


def test_pattern_that_is_none_is_said_and_what_ran_before_goes_on(scene, logs):
    app = program.Program(logs / "app.log")
    app.lines(10)
    scene.agent.start()
    arrived(scene, app)
    take(scene, f"paths: ['{logs}/[.log']")
    scene.agent.until_said("input.paths has")
    app.lines(10)
    scene.check(app.contents())
