"""The tables of stores and agents."""

import pytest

from loghub_cli import listing, tables

STORES = [
    {
        "metadata": {"namespace": "shop", "name": "apps", "generation": 2},
        "spec": {"projectRef": {"name": "all", "namespace": "logs"}, "retentionDays": 7},
        "status": {
            "projectName": "all-logs",
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Provisioned",
                    "observedGeneration": 2,
                }
            ],
        },
    },
    {
        "metadata": {"namespace": "pay", "name": "apps", "generation": 1},
        "spec": {"projectRef": {"name": "pay"}, "logStoreName": "pay-apps", "shardCount": 8},
    },
]
CONFIGS = [
    {"metadata": {"namespace": "shop", "name": "b"}, "spec": {"logStoreRef": {"name": "apps"}}},
    {
        "metadata": {"namespace": "pay", "name": "a"},
        "spec": {"logStoreRef": {"name": "apps", "namespace": "shop"}},
    },
]
REPORT = {
    "metadata": {"namespace": "loghub-system", "name": "node-1"},
    "report": {
        "node": "node-1",
        "agent": {"pool": "default", "version": "1.2.3", "startedAt": "2026-01-01T00:00:00Z"},
        "pipelines": [
            {"name": "good", "state": "Applied"},
            {"name": "bad", "state": "Failed", "message": "no such\nthing \x1b[2J"},
        ],
        "errors": ["the disk is full"],
    },
}


def pod(name, node, ready):
    return {
        "metadata": {"namespace": "logs", "name": name, "labels": {"loghub.dev/pool": "edge"}},
        "spec": {"nodeName": node},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def test_stores_show_their_remote_names_state_and_writers():
    assert list(listing.store_lines(listing.stores(STORES, CONFIGS))) == [
        "NAMESPACE   NAME   LOGSTORE   PROJECT    RETENTION   SHARDS   READY     REASON        "
        "WRITTEN BY",
        "pay         apps   pay-apps   -          30d         8        Unknown   NotObserved   -",
        "shop        apps   apps       all-logs   7d          2        True      Provisioned   "
        "pay/a, shop/b",
    ]


def test_agents_show_what_is_wrong_with_which():
    found = listing.agents([REPORT], [pod("agent-a", "node-1", "True"), pod("b", "n2", "False")])
    assert list(listing.agent_lines(found)) == [
        "NODE     POOL      POD       READY   VERSION   APPLIED   FAILED   STARTED",
        "n2       edge      b         False   -         0         0        -",
        "node-1   default   agent-a   True    1.2.3     1         1        2026-01-01T00:00:00Z",
        "",
        "n2: its agent has not reported yet.",
        "",
        "n2: its pod is not ready: `kubectl -n logs describe pod b`",
        "",
        "node-1: refuses bad: no such thing \\x1b[2J",
        "",
        "node-1: the disk is full",
    ]


def test_report_of_a_node_without_an_agents_pod_is_a_trouble():
    [found] = listing.agents([REPORT], [])
    assert not found.ready
    assert "no agent's pod runs there" in found.troubles[-1]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_pods_of_a_node_the_one_that_works_counts(order):
    pods = [pod("evicted", "node-1", "False"), pod("new", "node-1", "True")][::order]
    [found] = listing.agents([REPORT], pods)
    assert (found.pod, found.ready) == ("new", True)


def test_empty_table_is_its_header():
    assert tables.table(("A", "B"), []) == ["A   B"]
