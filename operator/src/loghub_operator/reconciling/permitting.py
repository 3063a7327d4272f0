"""May a LogConfig's service account `collect` into a LogStore? Asked where the release wants it.

Who wrote a LogConfig is not in it, so the question is about the account that it names, of its own
namespace: the verb `collect` on `logstores.loghub.dev`, which the owner of the LogStore grants by a
Role. Asked by `configs`; an answer is kept for a minute, the API server is not asked for each look.
"""

import time
from collections.abc import Callable
from typing import Final

from loghub_operator import cluster, kinds

VERB: Final = "collect"
KEPT_SECONDS: Final = 60.0
_MAX_ANSWERS: Final = 20_000


class Permits:
    """The API server's answers; `clock` is monotonic."""

    def __init__(self, api: cluster.Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._api, self._clock = api, clock
        self._answers: dict[tuple[str, ...], tuple[float, bool]] = {}

    async def may(self, account: tuple[str, str], store: tuple[str, str]) -> bool:
        """Whether an account may collect into a LogStore; both are namespace and name.

        Raises:
            ClusterError: the API server does not say.
        """
        key, now = (*account, *store), self._clock()
        known = self._answers.get(key)
        if known is not None and now - known[0] < KEPT_SECONDS:
            return known[1]
        review = {"spec": _question(account, store), "metadata": {}}
        answer = await self._api.create(kinds.REVIEW, review)
        allowed = bool((answer.get("status") or {}).get("allowed"))
        if len(self._answers) >= _MAX_ANSWERS:
            self._answers.clear()
        self._answers[key] = (now, allowed)
        return allowed


def sentence(account: tuple[str, str], store: tuple[str, str]) -> str:
    """What is missing, and the command that grants it."""
    namespace, name = account
    home, store_name = store
    who = f"ServiceAccount {namespace}/{name} (spec.serviceAccountName)"
    return (
        f"{who} may not collect into LogStore {home}/{store_name}. Whoever owns that can grant it: "
        f"kubectl -n {home} create role collect-{store_name} --verb={VERB} "
        f"--resource=logstores.loghub.dev --resource-name={store_name}; kubectl -n {home} create "
        f"rolebinding collect-{store_name}-{namespace} --role=collect-{store_name} "
        f"--serviceaccount={namespace}:{name}"
    )


def _question(account: tuple[str, str], store: tuple[str, str]) -> dict[str, object]:
    namespace, name = account
    group, _, _ = kinds.STORE.api_version.partition("/")
    return {
        "user": f"system:serviceaccount:{namespace}:{name}",
        "groups": [
            "system:serviceaccounts",
            f"system:serviceaccounts:{namespace}",
            "system:authenticated",
        ],
        "resourceAttributes": {
            "namespace": store[0],
            "verb": VERB,
            "group": group,
            "resource": kinds.STORE.plural,
            "name": store[1],
        },
    }
