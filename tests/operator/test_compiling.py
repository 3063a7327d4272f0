"""From a LogConfig to its LogPipeline, and what is refused with which sentence."""

import pytest
import yaml

from loghub_operator import compiling
from loghub_operator.resources import configs, crds, projects, stores

METADATA = {"namespace": "shop", "name": "orders", "uid": "u", "generation": 3}
WHERE = compiling.Target("http://i.x.svc", "shop-project", "Header", "V4", "loghub", "key")
STORE = ("apps", stores.LogStoreSpec.model_validate({"projectRef": {"name": "shop"}}))


def config(**more: object) -> configs.LogConfigSpec:
    spec = {"logStoreRef": {"name": "apps"}, "input": {"stdout": {}}, **more}
    return configs.LogConfigSpec.model_validate(spec)


def test_smallest_config_selects_its_namespace_and_both_streams():
    found = compiling.pipeline(METADATA, config(), STORE, WHERE)
    assert found["select"]["namespaces"] == ["shop"]
    assert found["input"] == {"stdout": {"streams": ["Stdout", "Stderr"]}}
    assert found["destination"]["logstore"] == "apps"
    assert "multiline" not in found


def test_preset_becomes_its_pattern():
    found = compiling.pipeline(METADATA, config(multiline={"preset": "Java"}), STORE, WHERE)
    assert found["multiline"]["start"] == configs.PRESETS["Java"]


@pytest.mark.parametrize("preset", sorted(configs.PRESETS))
def test_every_preset_is_a_valid_pattern(preset):
    compiling.check(config(multiline={"start": configs.PRESETS[preset]}))


@pytest.mark.parametrize("start", ["([a-z", "(?=ahead)", "a{2000}", r"\1"])
def test_pattern_that_agents_cannot_run_is_refused_by_field(start):
    with pytest.raises(compiling.InvalidError, match=r"spec\.multiline\.start"):
        compiling.check(config(multiline={"start": start}))


def test_names_of_pipelines_do_not_collide_where_the_dash_moves():
    assert compiling.pipeline_name("a-b", "c") != compiling.pipeline_name("a", "b-c")


def test_url_project_keeps_its_own_way_of_signing():
    url = {"endpoint": "https://log.example/", "signature": "V1"}
    spec = projects.LogProjectSpec.model_validate({"service": {"url": url}})
    found = compiling.target(spec, "shop", bundled="http://i", credentials="key")
    assert (found.endpoint, found.project_in, found.signature) == (
        "https://log.example",
        "Host",
        "V1",
    )


@pytest.mark.parametrize("kind", crds.KINDS, ids=lambda kind: kind.name)
def test_definition_stays_small(kind):
    assert len(yaml.safe_dump(crds.definition(kind))) < 100_000
