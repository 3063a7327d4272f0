"""What the reflectors brought, kept on disk and given back."""

import dataclasses

import pytest

from loghub_agent import errors, state
from loghub_agent.cluster import keeper

SCOPE = {"node": "node-1"}


@dataclasses.dataclass
class Watch:
    resource_version: str = ""
    has_picture: bool = False

    def resume(self, resource_version):
        self.resource_version = resource_version
        self.has_picture = True


class Thing:
    """One watch with what it filled."""

    def __init__(self, items=(), version=""):
        self.watch = Watch(version, has_picture=bool(version))
        self.items = list(items)

    def restore(self, items):
        if "bad" in items:
            raise errors.StateError("a saved thing cannot be read")
        self.items = items

    def memory(self, name):
        return keeper.Memory(name, self.watch, lambda: list(self.items), self.restore)


@pytest.fixture
def directory(tmp_path):
    return state.Directory(tmp_path, SCOPE)


def keep(directory, **things):
    now = [0.0]
    kept = keeper.Keeper(
        directory, [thing.memory(name) for name, thing in things.items()], lambda: now[0]
    )
    return kept, now


async def test_what_was_kept_is_restored_with_its_version(directory):
    thing = Thing(["a"], "7")
    kept, _ = keep(directory, things=thing)
    kept.mark("things")
    await kept.save()
    again = Thing()
    keep(directory, things=again)[0].restore()
    assert again.items == ["a"]
    assert again.watch == Watch("7", has_picture=True)


async def test_watch_without_a_picture_is_not_kept(directory):
    kept, _ = keep(directory, things=Thing(["half"]))
    kept.mark("things")
    await kept.finish()
    assert directory.load("things") is None


async def test_newer_version_alone_is_written_once_a_minute(directory):
    thing = Thing(["a"], "7")
    kept, now = keep(directory, things=thing)
    now[0] = 100
    kept.mark("things")
    await kept.save()
    thing.watch.resource_version = "8"
    now[0] = 100 + keeper.VERSION_SECONDS - 1
    await kept.save()
    assert directory.load("things").resource_version == "7"
    now[0] = 100 + keeper.VERSION_SECONDS
    await kept.save()
    assert directory.load("things").resource_version == "8"


async def test_end_writes_the_newest_version(directory):
    thing = Thing(["a"], "7")
    kept, _ = keep(directory, things=thing)
    kept.mark("things")
    await kept.save()
    thing.watch.resource_version = "8"
    await kept.finish()
    assert directory.load("things").resource_version == "8"


@pytest.mark.parametrize("content", [b"{torn", b""])
async def test_torn_file_leaves_the_others_and_the_watch_lists(directory, tmp_path, content):
    directory.save("good", state.Saved("5", ["a"]))
    (tmp_path / "control" / "torn.json").write_bytes(content)
    good, torn = Thing(), Thing()
    keep(directory, torn=torn, good=good)[0].restore()
    assert good.items == ["a"]
    assert not torn.watch.has_picture


async def test_items_that_cannot_be_read_leave_the_watch_without_a_picture(directory):
    directory.save("things", state.Saved("5", ["bad"]))
    thing = Thing()
    keep(directory, things=thing)[0].restore()
    assert not thing.watch.has_picture


async def test_disk_that_refuses_is_complained_about_and_tried_again(directory, tmp_path):
    thing = Thing(["a"], "7")
    kept, _ = keep(directory, things=thing)
    folder = tmp_path / "control"
    folder.rename(tmp_path / "away")
    kept.mark("things")
    await kept.save()
    assert "cannot be written" in kept.complaint
    (tmp_path / "away").rename(folder)
    await kept.save()
    assert not kept.complaint
    assert directory.load("things") == state.Saved("7", ["a"])
