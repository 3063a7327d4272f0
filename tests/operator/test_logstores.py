"""What differs between a LogStore and the service, and the splits and merges that mend it. Pure."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_operator import compiling, logstores
from loghub_operator.resources import projects, stores

SPACE = 1 << 128


def spec(**given_: object) -> stores.LogStoreSpec:
    return stores.LogStoreSpec.model_validate({"projectRef": {"name": "p"}, **given_})


def moved(shards: list[logstores.Shard], step: logstores.Step, new: int) -> list[logstores.Shard]:
    """What the service makes of a step."""
    [at] = [n for n, shard in enumerate(shards) if shard.number == step.shard]
    old = shards[at]
    if step.key:
        middle = int(step.key, 16)
        assert old.begin < middle < old.end
        pair = [
            logstores.Shard(new, old.begin, middle),
            logstores.Shard(new + 1, middle, old.end),
        ]
        return shards[:at] + pair + shards[at + 1 :]
    right = shards[at + 1]
    return [*shards[:at], logstores.Shard(new, old.begin, right.end), *shards[at + 2 :]]


@given(
    cuts=st.sets(st.integers(1, SPACE - 1), max_size=40),
    count=st.integers(1, 60),
    auto=st.booleans(),
    most=st.integers(60, 100),
)
def test_any_shards_come_to_the_wanted_number_and_then_stay(cuts, count, auto, most):
    ends = [0, *sorted(cuts), SPACE]
    shards = [logstores.Shard(n, a, b) for n, (a, b) in enumerate(itertools.pairwise(ends))]
    wanted = spec(shardCount=count, autoSplit=auto, maxShardCount=most)
    before, steps = len(shards), 0
    while (step := logstores.next_step(shards, wanted)) is not None:
        steps += 1
        assert steps <= 200
        shards = moved(shards, step, 1000 + 2 * steps)
    assert shards[0].begin == 0
    assert shards[-1].end == SPACE
    assert all(a.end == b.begin for a, b in itertools.pairwise(shards))
    # What the service split by itself stays, up to the bound.
    assert len(shards) == (max(before, count) if auto else count)


def test_a_number_that_nobody_asked_for_is_left_alone():
    shards = [logstores.Shard(0, 0, SPACE)]
    assert logstores.next_step(shards, spec()) is None


def test_services_that_spell_nothing_differently_do_not_differ():
    ours = logstores.wanted("lines", spec())
    cloud = ours | {"hot_ttl": 0, "telemetryType": "None", "mode": None, "maxSplitShard": 1}
    assert not logstores.differing(cloud, ours)


def test_differences_are_named_by_the_field_of_the_spec():
    ours = logstores.wanted("lines", spec(webTracking=False, retentionDays=30))
    found = logstores.differing(ours | {"enable_tracking": True, "ttl": 3}, ours)
    assert found == {"webTracking": "True -> False", "retentionDays": "3 -> 30"}


@pytest.mark.parametrize(
    ("network", "endpoint"),
    [
        ("Public", "https://cn-hangzhou.log.aliyuncs.com"),
        ("Internal", "https://cn-hangzhou-intranet.log.aliyuncs.com"),
        ("VPC", "https://cn-hangzhou-vpc.log.aliyuncs.com"),
        ("Accelerate", "https://log-global.aliyuncs.com"),
    ],
)
def test_cloud_project_has_the_clouds_own_endpoint(network, endpoint):
    given_ = {
        "service": {"cloud": {"region": "cn-hangzhou", "network": network}},
        "credentialsSecretRef": {"name": "key"},
    }
    found = compiling.target(
        projects.LogProjectSpec.model_validate(given_), "shop", bundled="http://i", credentials="k"
    )
    assert (found.endpoint, found.project_in, found.signature, found.region) == (
        endpoint,
        "Host",
        "V4",
        "cn-hangzhou",
    )
