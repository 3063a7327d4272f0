"""Every node has one pool, as the scheduler reads the affinities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_operator import daemonsets, pools
from loghub_operator.resources import agents

KEYS, VALUES = ["arch", "group", "zone"], ["a", "b"]
LABELS = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))


def pool(name, selector, age=0, **spec):
    stamp = f"2026-01-01T00:00:{age:02d}Z"
    return {
        "metadata": {"name": name, "creationTimestamp": stamp, "uid": name},
        "spec": {"nodeSelector": selector, **spec},
    }


def fits(each, affinity, labels):
    """What the scheduler says of a node."""
    if not each["spec"]["nodeSelector"].items() <= labels.items():
        return False
    required = affinity.get("nodeAffinity", {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if required is None:
        return True
    holds = {
        "In": lambda value, values: value in values,
        "NotIn": lambda value, values: value not in values,
    }
    return any(
        all(
            holds[one["operator"]](labels.get(one["key"]), one["values"])
            for one in term["matchExpressions"]
        )
        for term in required["nodeSelectorTerms"]
    )


@given(st.lists(LABELS, max_size=4), LABELS)
def test_node_that_some_pool_selects_has_exactly_one(selectors, labels):
    every = [pool(f"p{number}", each, age=number) for number, each in enumerate(selectors)]
    taken = []
    for each in every:
        try:
            affinity = pools.affinity(each, every)
        except pools.ConflictError:
            continue
        if fits(each, affinity, labels):
            taken.append(each["metadata"]["name"])
    selected = any(each.items() <= labels.items() for each in selectors)
    assert len(taken) == int(selected), taken


def test_pool_keeps_its_own_affinity_beside_what_is_left_out():
    own = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
                ]
            }
        }
    }
    wide, narrow = pool("wide", {}, affinity=own), pool("narrow", {"arch": "a"})
    found = pools.affinity(wide, [wide, narrow])
    assert fits(wide, found, {"zone": "a", "arch": "b"})
    assert not fits(wide, found, {"zone": "a", "arch": "a"})
    assert not fits(wide, found, {"zone": "b", "arch": "b"})


def test_same_selector_twice_is_a_conflict_of_the_younger():
    first, second = pool("first", {"arch": "a"}, 1), pool("second", {"arch": "a"}, 2)
    assert pools.affinity(first, [first, second]) == {}
    with pytest.raises(pools.ConflictError, match="CollectionAgent first has every node"):
        pools.affinity(second, [first, second])


def spec(**given):
    return agents.CollectionAgentSpec.model_validate(given)


def built(given, there=None):
    owner = {"name": "default", "uid": "u"}
    return daemonsets.build(
        "default", given, namespace="loghub-system", image="agent:1", owner=owner, there=there
    )


def running(given, *, updated, desired=100, unavailable=0, image="agent:1"):
    """The DaemonSet in the middle of a rollout."""
    owner = {"name": "default", "uid": "u"}
    made = daemonsets.build("default", given, namespace="n", image=image, owner=owner)
    made["metadata"]["generation"] = 2
    made["status"] = {
        "observedGeneration": 2,
        "desiredNumberScheduled": desired,
        "updatedNumberScheduled": updated,
        "numberUnavailable": unavailable,
    }
    return made


CANARY = {"updateStrategy": {"canaryPercent": 5, "canarySeconds": 90, "maxUnavailable": "20%"}}


@pytest.mark.parametrize(
    ("there", "most", "waits"),
    [
        (None, "20%", 0),  # the first agents have nothing to be careful about
        ({"updated": 100, "image": "agent:0"}, 5, 90),  # a new template begins with canaries
        ({"updated": 3}, 5, 90),
        ({"updated": 9}, 5, 90),  # the second wave runs because some of the first are well
        ({"updated": 10}, "20%", 0),  # as many again: all of the first are
        ({"updated": 100}, "20%", 0),
    ],
)
def test_canaries_run_for_a_while_before_all_follow(there, most, waits):
    given = spec(**CANARY)
    found = built(given, there and running(given, **there))["spec"]
    assert found["updateStrategy"]["rollingUpdate"]["maxUnavailable"] == most
    assert found["minReadySeconds"] == waits


def test_limits_become_the_agents_settings():
    given = spec(limits={"queueBytesPerDestination": 1048576, "requestsPerDestination": 2})
    env = built(given)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "LOGHUB_QUEUE_BYTES_PER_DESTINATION", "value": "1048576"} in env
    assert {"name": "LOGHUB_REQUESTS_PER_DESTINATION", "value": "2"} in env


def test_build_is_the_same_every_time():
    given = spec(**CANARY)
    assert all(built(given) == built(given) for _ in range(100))
