"""An API server and a log service in memory whose answers get lost, whose watches come late.

Only for `test_converging`: no real server can be made to fail at every one of its steps, in every
order, thousands of times. What they hold follows the real ones in what the operator relies on.
"""

import asyncio
import base64
import copy
import itertools
from typing import Any

from loghub_operator import cache, kinds
from loghub_operator.cluster import ClusterError
from slswire import errors

Object = dict[str, Any]


class Faults:
    """Which of the next calls fail: `before` they have an effect, or `after`."""

    def __init__(self) -> None:
        self.plan: list[str] = []

    def before(self) -> None:
        if self.plan and self.plan[0] == "before":
            self.plan.pop(0)
            self.strike()

    def after(self) -> None:
        if self.plan:
            fault = self.plan.pop(0)
            if fault == "after":
                self.strike()

    def strike(self) -> None:
        raise NotImplementedError


class ApiServer(Faults):
    """Objects with resource versions and generations, and an event for each change."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.news: dict[str, list[tuple[str, Object]]] = {}
        self.versions = itertools.count(1)
        self._uids = itertools.count(1)
        self.creations: list[tuple[str, str, str]] = []
        self.deletions: list[tuple[Object, frozenset[tuple[str, str, str]]]] = []
        """What was asked to go, and the keys of all that was there at that moment."""

    def strike(self) -> None:
        raise ClusterError(0, "the API server does not answer: imagined")

    def _key(self, kind: kinds.Kind, name: str, namespace: str) -> tuple[str, str, str]:
        return (kind.plural, namespace if kind.namespaced else "", name)

    def _tell(self, kind: kinds.Kind, what: str, found: Object) -> None:
        found["metadata"]["resourceVersion"] = str(next(self.versions))
        if kind in kinds.WATCHED:
            self.news.setdefault(kind.plural, []).append((what, copy.deepcopy(found)))

    def put(self, kind: kinds.Kind, wanted: Object) -> Object:
        """Create or change an object; spec and the like as given, status as it was."""
        metadata = wanted["metadata"]
        key = self._key(kind, metadata["name"], metadata.get("namespace", ""))
        before = self.objects.get(key)
        body = {name: value for name, value in wanted.items() if name != "metadata"}
        if texts := body.pop("stringData", None):
            body["data"] = {
                name: base64.b64encode(text.encode()).decode() for name, text in texts.items()
            }
        if before is None:
            meta = {**metadata, "uid": f"uid-{next(self._uids)}", "generation": 1}
            meta["creationTimestamp"] = f"2026-01-01T00:00:{next(self._uids) % 60:02d}Z"
            found = copy.deepcopy({**body, "kind": kind.name, "metadata": meta})
            self.creations.append(key)
            self.objects[key] = found
            self._tell(kind, "ADDED", found)
            return copy.deepcopy(found)
        found = copy.deepcopy(before)
        found.update(copy.deepcopy(body))
        found["metadata"].update(copy.deepcopy(metadata))
        if found.get("spec") != before.get("spec"):
            found["metadata"]["generation"] += 1
        if found != before:
            self.objects[key] = found
            self._tell(kind, "MODIFIED", found)
        return copy.deepcopy(found)

    def remove(self, kind: kinds.Kind, name: str, namespace: str = "") -> None:
        found = self.objects.pop(self._key(kind, name, namespace), None)
        if found is not None:
            self._tell(kind, "DELETED", found)

    def all(self, kind: kinds.Kind) -> list[Object]:
        return [copy.deepcopy(each) for key, each in self.objects.items() if key[0] == kind.plural]

    async def _call(self) -> None:
        await asyncio.sleep(0)
        self.before()

    async def get(self, kind: kinds.Kind, name: str, namespace: str = "") -> Object | None:
        await self._call()
        found = copy.deepcopy(self.objects.get(self._key(kind, name, namespace)))
        self.after()
        return found

    async def list(
        self, kind: kinds.Kind, namespace: str = "", *, labels: str = ""
    ) -> list[Object]:
        await self._call()
        self.after()
        return self.all(kind)

    async def apply(self, kind: kinds.Kind, wanted: Object) -> Object:
        await self._call()
        found = self.put(kind, wanted)
        self.after()
        return found

    async def create(self, kind: kinds.Kind, wanted: Object) -> Object:
        await self._call()
        metadata = wanted["metadata"]
        if "name" not in metadata:
            return wanted  # an Event with a generated name
        if self._key(kind, metadata["name"], metadata.get("namespace", "")) in self.objects:
            raise ClusterError(409, "exists")
        found = self.put(kind, wanted)
        self.after()
        return found

    async def merge(
        self, kind: kinds.Kind, found: cache.Object, change: Object, *, status: bool = False
    ) -> Object | None:
        await self._call()
        key = self._key(kind, found["metadata"]["name"], found["metadata"].get("namespace", ""))
        there = self.objects.get(key)
        if there is None:
            return None
        before = copy.deepcopy(there)
        _merge(there, change)
        if there != before:
            self._tell(kind, "MODIFIED", there)
        self.after()
        return copy.deepcopy(there)

    async def delete(self, kind: kinds.Kind, name: str, namespace: str = "") -> None:
        await self._call()
        key = self._key(kind, name, namespace)
        if key in self.objects:
            self.deletions.append((self.objects[key], frozenset(self.objects)))
        self.remove(kind, name, namespace)
        self.after()


def _merge(there: Object, change: Object) -> None:
    for key, value in change.items():
        if value is None:
            there.pop(key, None)
        elif isinstance(value, dict):
            _merge(there.setdefault(key, {}), value)
        else:
            there[key] = copy.deepcopy(value)


class LogService(Faults):
    """Projects with Logstores; a second creation of either is an error, as it is in the service."""

    def __init__(self) -> None:
        super().__init__()
        self.projects: dict[str, str] = {}
        self.stores: dict[tuple[str, str], Object] = {}
        self.indexes: dict[tuple[str, str], Object] = {}
        self.keys: dict[str, str] = {}
        self.refused_creations = 0

    def strike(self) -> None:
        raise TimeoutError

    async def _call(self) -> None:
        await asyncio.sleep(0)
        self.before()

    def _fail(self, code: str) -> None:
        raise errors.SlsError(code, "imagined", status=404)

    async def get_project(self, name: str) -> Object:
        await self._call()
        if name not in self.projects:
            self._fail("ProjectNotExist")
        return {"description": self.projects[name]}

    async def create_project(self, name: str, description: str) -> None:
        await self._call()
        if name in self.projects:
            self._fail("ProjectAlreadyExist")
        self.projects[name] = description
        self.after()

    async def update_project(self, name: str, description: str) -> None:
        await self._call()
        self.projects[name] = description
        self.after()

    async def list_keys(self, project: str) -> list[Object]:
        await self._call()
        return [{"accessKeyId": key} for key, of in self.keys.items() if of == project]

    async def create_key(self, project: str, _rights: tuple[str, ...]) -> Any:
        await self._call()
        ident = f"key-{len(self.keys)}"
        self.keys[ident] = project
        self.after()
        return _Key(ident)

    async def get_logstore(self, project: str, name: str) -> Object:
        await self._call()
        if (project, name) not in self.stores:
            self._fail("LogStoreNotExist")
        return copy.deepcopy(self.stores[project, name])

    async def create_logstore(self, project: str, document: Object) -> None:
        await self._call()
        key = (project, str(document["logstoreName"]))
        if key in self.stores:
            self.refused_creations += 1
            self._fail("LogStoreAlreadyExist")
        self.stores[key] = copy.deepcopy(document)
        self.after()

    async def update_logstore(self, project: str, name: str, document: Object) -> None:
        await self._call()
        self.stores[project, name].update(copy.deepcopy(document))
        self.after()

    async def get_index(self, project: str, name: str) -> Object:
        await self._call()
        if (project, name) not in self.indexes:
            self._fail("IndexConfigNotExist")
        return copy.deepcopy(self.indexes[project, name])

    async def create_index(self, project: str, name: str, document: Object) -> None:
        await self._call()
        self.indexes[project, name] = copy.deepcopy(document)
        self.after()

    async def update_index(self, project: str, name: str, document: Object) -> None:
        await self.create_index(project, name, document)

    async def list_shards(self, _project: str, _name: str) -> list[Object]:
        await self._call()
        return [
            {
                "shardID": number,
                "status": "readwrite",
                "inclusiveBeginKey": f"{number * 8:x}" + "0" * 31,
                "exclusiveEndKey": "f" * 32 if number else "8" + "0" * 31,
            }
            for number in range(2)
        ]


class _Key:
    def __init__(self, ident: str) -> None:
        self.access_key_id, self.access_key_secret = ident, "secret"
