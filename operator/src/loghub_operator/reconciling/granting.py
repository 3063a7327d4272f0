"""Which project and LogStore an opt-in means, and whether it may. Pure, over the cache.

`optins` gathers what pods and namespaces ask for and makes what this module grants.
"""

import collections
import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from loghub_operator import cache, kinds
from loghub_operator.reconciling import context, forming
from loghub_operator.resources import model, projects

ANNOTATION: Final = "Annotation"
ENVIRONMENT: Final = "Environment"
LOGSTORE: Final = "loghub.dev/logstore"
PROJECT: Final = "loghub.dev/project"
EXCLUDE: Final = "loghub.dev/exclude"

_LOGSTORE: Final = re.compile(model.LOGSTORE_PATTERN)
_MAX_STORE: Final = 54
"""Characters of a Logstore's name kept in an object's, so that a hash has room within 63."""


class RefusedError(Exception):
    """The opt-in is not granted; the sentence says why and what to do."""


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class OptIn:
    """A Logstore that containers of a namespace ask for, or the namespace for them."""

    namespace: str
    logstore: str
    """As written; empty where none is named."""
    project: str
    """Likewise."""
    via: str
    key: str
    """The annotation or variable that asks."""
    pods: tuple[tuple[str, str], ...] = ()
    """Some of them: name and uid."""
    create: tuple[tuple[str, Any], ...] = ()
    """Fields of the LogStore, if it has to be made."""
    unnamed: bool = False
    """Whether it is a namespace's default."""
    form: forming.Form = forming.PLAIN


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """What an opt-in gets."""

    store: str
    """The LogStore's name as an object, in the opt-in's namespace."""
    logstore: str
    """The Logstore's name: the one asked for, or the default."""
    exists: bool
    project: context.Object
    via: tuple[str, ...]
    """The ways of asking that the project's policy allows."""


class World:
    """The cache's projects and LogStores by namespace, looked at once for all opt-ins."""

    def __init__(self, ctx: context.Context) -> None:
        self._ctx = ctx
        self._projects = list(ctx.cache.all(kinds.PROJECT))
        self._stores: dict[str, list[context.Object]] = collections.defaultdict(list)
        for store in ctx.cache.all(kinds.STORE):
            self._stores[store["metadata"]["namespace"]].append(store)

    def grant(self, each: OptIn) -> Grant:
        """Decide over one opt-in.

        Raises:
            RefusedError: it may not, or there is nothing that it could mean.
            NotReadyError: the project's spec cannot be read.
        """
        if fault := forming.fault(each.form):
            raise RefusedError(fault)
        asked = each.project or annotations(self._ctx, each.namespace).get(PROJECT, "")
        project = self._named(each, asked) if asked else self._default(each)
        place = "/".join(cache.place(project))
        if not context.allowed(project, each.namespace, self._ctx):
            raise RefusedError(
                f"LogProject {place} is not open to namespace {each.namespace}: its owner can "
                "open it in spec.allowedNamespaces."
            )
        policy = context.read(projects.LogProjectSpec, project).opt_in
        ways = ((ANNOTATION, policy.annotations), (ENVIRONMENT, policy.environment))
        via = tuple(way for way, allowed in ways if allowed == "Enabled")
        if each.via not in via:
            field = "environment" if each.via == ENVIRONMENT else "annotations"
            raise RefusedError(f"LogProject {place} forbids it: spec.optIn.{field} is Disabled.")
        logstore = self._logstore(each, place, policy)
        named = dataclasses.replace(each, logstore=logstore)
        store, exists = self._store(named, project, named=bool(asked))
        if not exists and not policy.auto_create_log_stores:
            raise RefusedError(
                f"there is no such LogStore in namespace {each.namespace}, and LogProject {place} "
                "lets none be made (spec.optIn.autoCreateLogStores): create the LogStore."
            )
        return Grant(store, logstore, exists, project, via)

    def _logstore(self, each: OptIn, place: str, policy: projects.OptIn) -> str:
        """The name that is asked for, or the nearest default."""
        own = annotations(self._ctx, each.namespace).get(LOGSTORE, "").strip()
        logstore = each.logstore or own or policy.default_log_store
        if not logstore:
            raise RefusedError(
                f"it names no Logstore, and there is no default: name one in {LOGSTORE} on the pod "
                f"or on namespace {each.namespace}, or in spec.optIn.defaultLogStore of LogProject "
                f"{place}."
            )
        if not _LOGSTORE.fullmatch(logstore):
            raise RefusedError(
                f"{logstore[:80]!r} is no Logstore name: 3 to 63 lower-case letters, digits, '-' "
                "or '_', with a letter or digit at both ends."
            )
        return logstore

    def _named(self, each: OptIn, asked: str) -> context.Object:
        """The LogProject of that name, or the one whose project in the service is called so."""
        namespace, _, name = asked.rpartition("/")
        found = self._ctx.cache.get(kinds.PROJECT, name, namespace or each.namespace)
        if found is not None:
            return found
        alike = [] if namespace else [one for one in self._projects if _remote(one) == name]
        usable = [one for one in alike if context.allowed(one, each.namespace, self._ctx)]
        if len(usable) != 1:
            raise RefusedError(
                f"LogProject {namespace or each.namespace}/{name} does not exist: create it, or "
                f"correct {PROJECT} or the variable's _project."
            )
        return usable[0]

    def _default(self, each: OptIn) -> context.Object:
        own = [one for one in self._projects if one["metadata"]["namespace"] == each.namespace]
        if len(own) > 1:
            names = ", ".join(one["metadata"]["name"] for one in own)
            raise RefusedError(
                f"namespace {each.namespace} has several LogProjects ({names}): name one in "
                f"{PROJECT} or the variable's _project."
            )
        found = own[0] if own else None
        if found is None and self._ctx.settings.default_project:
            namespace, name = self._ctx.settings.default_project
            found = self._ctx.cache.get(kinds.PROJECT, name, namespace)
        if found is None:
            raise RefusedError(
                f"namespace {each.namespace} has no LogProject and the release no default one: "
                f"create one, or name another namespace's in {PROJECT} as NAMESPACE/NAME."
            )
        return found

    def _store(self, each: OptIn, project: context.Object, *, named: bool) -> tuple[str, bool]:
        """The LogStore's object name, and whether there is one."""
        here = self._stores[each.namespace]
        fitting = [
            str(one["metadata"]["name"])
            for one in here
            if each.logstore in {one["metadata"]["name"], _spec(one).get("logStoreName")}
            and (not named or _project_place(one) == cache.place(project))
        ]
        if fitting:
            return (each.logstore if each.logstore in fitting else fitting[0]), True
        taken = any(one["metadata"]["name"] == each.logstore for one in here)
        if "_" not in each.logstore and not taken:
            return each.logstore, False
        # An object cannot have that name, or has it for the Logstore of another project.
        whole = "/".join((*cache.place(project), each.logstore))
        digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
        readable = each.logstore.replace("_", "-")[:_MAX_STORE].rstrip("-")
        return f"{readable}-{digest}", False


def annotations(ctx: context.Context, namespace: str) -> Mapping[str, str]:
    """A namespace's annotations: defaults for its pods."""
    found = ctx.cache.get(kinds.NAMESPACE, namespace) or {}
    return (found.get("metadata") or {}).get("annotations") or {}


def defaults(ctx: context.Context) -> Sequence[OptIn]:
    """What namespaces ask for, for those of their containers that ask for nothing."""
    found = []
    for each in ctx.cache.all(kinds.NAMESPACE):
        metadata = each["metadata"]
        said = metadata.get("annotations") or {}
        if LOGSTORE in said and not metadata.get("deletionTimestamp"):
            logstore, project = str(said[LOGSTORE]).strip(), str(said.get(PROJECT, "")).strip()
            found.append(
                OptIn(metadata["name"], logstore, project, ANNOTATION, LOGSTORE, unnamed=True)
            )
    return found


def _spec(found: context.Object) -> Mapping[str, Any]:
    return found.get("spec") or {}


def _remote(project: context.Object) -> str:
    return str(_spec(project).get("projectName") or project["metadata"]["name"])


def _project_place(store: context.Object) -> tuple[str, str]:
    reference = _spec(store).get("projectRef") or {}
    home = store["metadata"]["namespace"]
    return str(reference.get("namespace") or home), str(reference.get("name", ""))
