"""Everything that bears on one pod or one LogConfig, fetched for `explaining` and `matching`.

What a developer may not read of other namespaces is left out and said, not failed on.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from loghub_cli import errors, explaining, granting, kubectl, objects, selecting

RELEASE: Final = "app.kubernetes.io/name=loghub"
_DEFAULT_PROJECT: Final = "--default-project="
_T = TypeVar("_T")


class _Look:
    """One look around from a namespace; `unreadable` collects what kubectl refused."""

    def __init__(self, cluster: kubectl.Kubectl, home: str) -> None:
        self._cluster, self._home = cluster, home
        self._unreadable: list[str] = []

    def _found(
        self,
        around: granting.Surroundings,
        reports: list[objects.Object] | None,
    ) -> explaining.Facts:
        pipelines = self._tried("pipelines", lambda: self._cluster.items("logpipelines.loghub.dev"))
        return explaining.Facts(
            around=around, reports=reports, pipelines=pipelines or [], unreadable=self._unreadable
        )

    def _projects_of(
        self, stores: list[objects.Object], named: list[tuple[str, str]]
    ) -> list[objects.Object]:
        """Projects of other namespaces: those of `stores`, and those that are `named`."""
        references = [
            objects.refer(objects.spec(each).get("projectRef") or {}, objects.namespace(each))
            for each in stores
        ]
        return self._elsewhere("logprojects.loghub.dev", references + named)

    def _elsewhere(self, kind: str, places: list[tuple[str, str]]) -> list[objects.Object]:
        """Those of `places` that are in other namespaces than this."""
        found: list[objects.Object] = []
        for namespace, name in sorted(set(places)):
            if namespace and name and namespace != self._home:
                each = self._tried(
                    f"{kind} {namespace}/{name}", self._getter(kind, namespace, name)
                )
                found += [each] if each else []
        return found

    def _getter(self, kind: str, namespace: str, name: str) -> Callable[[], objects.Object | None]:
        return lambda: self._cluster.get(kind, name, namespace)

    def _tried(self, what: str, read: Callable[[], _T]) -> _T | None:
        try:
            return read()
        except errors.CliError as fault:
            self._unreadable.append(f"Not considered: {what}, which could not be read ({fault}).")
            return None


class ConfigSurvey(_Look):
    """One look around a LogConfig."""

    def __init__(self, cluster: kubectl.Kubectl, config: objects.Object) -> None:
        super().__init__(cluster, objects.namespace(config))
        self._config = config

    def facts(self) -> explaining.Facts:
        """Where the config's lines go, and what every agent reports.

        Raises:
            CliError: not even its own namespace can be read.
        """
        own = self._cluster.items("logstores.loghub.dev,logprojects.loghub.dev", self._home)
        reference = objects.spec(self._config).get("logStoreRef") or {}
        stores = objects.of_kind(own, "LogStore")
        stores += self._elsewhere("logstores.loghub.dev", [objects.refer(reference, self._home)])
        projects = objects.of_kind(own, "LogProject") + self._projects_of(stores, [])
        reports = self._tried(
            "the agents' reports", lambda: self._cluster.items("agentreports.loghub.dev")
        )
        around = granting.Surroundings([self._config], projects, stores, {})
        return self._found(around, None if reports is None else list(reports))


class Survey(_Look):
    """One look around a pod."""

    def __init__(self, cluster: kubectl.Kubectl, pod: objects.Object) -> None:
        super().__init__(cluster, objects.namespace(pod))
        self._pod = pod

    def facts(self) -> explaining.Facts:
        """The pod's surroundings.

        Raises:
            CliError: not even its own namespace can be read.
        """
        namespace = self._home
        kinds = "logconfigs.loghub.dev,logstores.loghub.dev,logprojects.loghub.dev"
        own = self._cluster.items(kinds, namespace)
        configs = objects.of_kind(own, "LogConfig")
        whole = self._tried(
            "ClusterLogConfigs", lambda: self._cluster.items("clusterlogconfigs.loghub.dev")
        )
        configs += whole or []
        stores = objects.of_kind(own, "LogStore")
        projects = objects.of_kind(own, "LogProject")
        references = [
            objects.refer(objects.spec(each).get("logStoreRef") or {}, namespace)
            for each in configs
        ]
        stores += self._elsewhere("logstores.loghub.dev", references)
        default = self._default_project()
        projects += self._projects_of(stores, self._named(default))
        around = granting.Surroundings(configs, projects, stores, self._namespace_labels(), default)
        return self._found(around, self._reports())

    def _reports(self) -> list[objects.Object] | None:
        """The report of the pod's node: it has the node's name. All would be 150 KB per node."""
        node = str(objects.spec(self._pod).get("nodeName") or "")
        if not node:
            return []
        found = self._tried(
            "its agent's report",
            lambda: self._cluster.items("agentreports.loghub.dev", name=node),
        )
        return None if found is None else list(found)

    def _named(self, default: str) -> list[tuple[str, str]]:
        asked = selecting.annotations(self._pod).get(granting.PROJECT, "")
        return [_split(each) for each in (asked, default) if "/" in each]

    def _default_project(self) -> str:
        """The release's default project, as its operator is told."""
        found = self._tried(
            "the operator's settings", lambda: self._cluster.items("deployments", labels=RELEASE)
        )
        for each in found or []:
            pod = (objects.spec(each).get("template") or {}).get("spec") or {}
            for container in pod.get("containers") or []:
                for word in container.get("args") or []:
                    if word.startswith(_DEFAULT_PROJECT):
                        return str(word.removeprefix(_DEFAULT_PROJECT))
        return ""

    def _namespace_labels(self) -> Mapping[str, str]:
        found = self._tried("the namespace's labels", self._getter("namespace", "", self._home))
        return found["metadata"].get("labels") or {} if found else {}


def _split(place: str) -> tuple[str, str]:
    namespace, _, name = place.partition("/")
    return namespace, name
