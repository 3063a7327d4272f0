"""Pods found by their directories, where a look trusts what it saw before."""

import asyncio
import contextlib
import os
import time

import pytest

from loghub_agent.standalone import containers, noticing


@pytest.fixture
def pods_dir(tmp_path):
    return tmp_path / "pods"


def found(finder) -> dict[str, list[str]]:
    return {pod.name: [each.name for each in pod.containers] for pod in finder.find()}


def age(folder) -> None:
    """Let the directory have changed long ago."""
    moment = time.time() - 60
    os.utime(folder, (moment, moment))


def test_container_that_comes_later_is_found_however_the_clock_ticks(pods_dir):
    finder = containers.Finder(pods_dir, node="node-1")
    assert found(finder) == {}
    folder = pods_dir / "shop_web-0_uid-1"
    (folder / "app").mkdir(parents=True)
    before = folder.stat().st_mtime_ns
    assert found(finder) == {"web-0": ["app"]}
    (folder / "sidecar").mkdir()
    os.utime(folder, ns=(before, before))  # both within one tick
    assert found(finder) == {"web-0": ["app", "sidecar"]}


def test_pod_that_stayed_as_it_was_is_the_same_object(pods_dir):
    finder = containers.Finder(pods_dir, node="node-1")
    folder = pods_dir / "shop_web-0_uid-1"
    (folder / "app").mkdir(parents=True)
    age(folder)
    (first,) = finder.find()
    (second,) = finder.find()
    assert second is first
    (folder / "init").mkdir()
    assert found(finder) == {"web-0": ["app", "init"]}


def test_what_is_no_pod_directory_is_passed_over_and_a_removed_pod_is_gone(pods_dir):
    finder = containers.Finder(pods_dir, node="node-1")
    (pods_dir / "shop_web-0_uid-1" / "app").mkdir(parents=True)
    (pods_dir / "shop_web-0").mkdir()
    (pods_dir / "a__b").mkdir()
    (pods_dir / "shop_file_uid-2").write_text("")
    (pods_dir / "shop_link_uid-3").symlink_to(pods_dir / "nowhere")
    assert found(finder) == {"web-0": ["app"]}
    (pods_dir / "shop_web-0_uid-1" / "app").rmdir()
    (pods_dir / "shop_web-0_uid-1").rmdir()
    assert found(finder) == {}


def test_directory_in_which_nothing_changes_is_left_alone_until_the_next_scan(
    pods_dir, monkeypatch
):
    finder = containers.Finder(pods_dir, node="node-1")
    folder = pods_dir / "shop_web-0_uid-1"
    (folder / "app").mkdir(parents=True)
    assert finder.look() is not None
    assert finder.look() is not None  # it is young: a container may follow
    age(folder)
    age(pods_dir)
    assert [pod.name for pod in finder.look()] == ["web-0"]
    assert finder.look() is None
    (pods_dir / "shop_web-1_uid-2").mkdir()
    assert sorted(pod.name for pod in finder.look()) == ["web-0", "web-1"]
    for each in (*pods_dir.iterdir(), pods_dir):
        age(each)
    assert finder.look() is not None
    assert finder.look() is None
    (folder / "sidecar").mkdir()  # in an old pod: found by the scan
    monkeypatch.setattr(finder, "_next_scan", 0.0)
    [first] = [pod for pod in finder.look() if pod.name == "web-0"]
    assert [each.name for each in first.containers] == ["app", "sidecar"]


async def test_pod_and_a_container_of_an_old_pod_are_heard_of(pods_dir):
    with contextlib.closing(noticing.Notice()) as notice:
        finder = containers.Finder(pods_dir, node="node-1", follow=notice.follow)
        assert found(finder) == {}
        assert not finder.hears, "there is nothing to follow yet"
        pods_dir.mkdir()
        assert found(finder) == {}
        assert finder.hears
        folder = pods_dir / "shop_web-0_uid-1"
        folder.mkdir()
        async with asyncio.timeout(30):
            await notice.wait(60)
        assert found(finder) == {"web-0": []}
        await notice.wait(0.01)
        (folder / "app").mkdir()
        async with asyncio.timeout(30):
            await notice.wait(60)
        assert found(finder) == {"web-0": ["app"]}
        assert finder.hears


def test_finder_hears_nothing_while_one_pod_cannot_be_followed(pods_dir):
    (pods_dir / "shop_web-0_uid-1").mkdir(parents=True)
    (pods_dir / "shop_web-1_uid-2").mkdir()
    finder = containers.Finder(
        pods_dir, node="node-1", follow=lambda directory: not directory.endswith("uid-1")
    )
    assert sorted(found(finder)) == ["web-0", "web-1"]
    assert not finder.hears
