"""From a LogConfig to its LogPipeline, and what is refused with which sentence."""

import json
import pathlib
import re

import pytest
import yaml

from loghub_operator import compiling
from loghub_operator.resources import cluster_configs, configs, crds, projects, stores

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


GOLDEN = pathlib.Path(__file__).parent / "golden"


@pytest.mark.parametrize("case", sorted(path.stem for path in GOLDEN.glob("*.yaml")))
def test_config_compiles_to_its_golden_pipeline(case):
    written = yaml.safe_load((GOLDEN / f"{case}.yaml").read_text())
    spec = config(**written["config"])
    compiling.check(spec)
    assert compiling.pipeline(METADATA, spec, STORE, WHERE) == written["pipeline"]


@pytest.mark.parametrize("pattern", ["([a-z", "(?=ahead)", "a{2000}", r"\1"])
@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"multiline": {"start": "PATTERN"}}, "multiline.start"),
        ({"multiline": {"continue": "PATTERN"}}, "multiline.continue"),
        ({"parser": {"regex": {"pattern": "PATTERN"}}}, "parser.regex.pattern"),
        ({"processors": [{"mask": {"key": "a", "pattern": "PATTERN"}}]}, "processors[0].mask"),
        ({"processors": [{"filter": {"include": {"a": "PATTERN"}}}]}, "processors[0].filter.incl"),
    ],
)
def test_pattern_that_agents_cannot_run_is_refused_by_field(spec, field, pattern):
    spec = json.loads(json.dumps(spec).replace('"PATTERN"', json.dumps(pattern)))
    with pytest.raises(compiling.InvalidError, match=re.escape(f"spec.{field}")):
        compiling.check(config(**spec))


@pytest.mark.parametrize(("pattern", "keys"), [("(a)(b)", ["x"]), ("abc", []), ("(a)", ["x", "y"])])
def test_keys_that_do_not_fit_the_groups_are_refused(pattern, keys):
    spec = config(parser={"regex": {"pattern": pattern, "keys": keys}})
    with pytest.raises(compiling.InvalidError, match=r"groups and \d keys"):
        compiling.check(spec)


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


def test_files_of_nodes_are_for_the_cluster_kind_alone():
    files = {"nodeFiles": {"paths": ["/var/log/*.log"]}}
    spec = {"logStoreRef": {"name": "apps", "namespace": "shop"}, "input": files}
    read = cluster_configs.ClusterLogConfigSpec.model_validate(spec)
    found = compiling.pipeline(METADATA, read, STORE, WHERE)
    assert found["input"]["nodeFiles"]["paths"] == ["/var/log/*.log"]
    assert found["input"].keys() == {"nodeFiles"}
    with pytest.raises(ValueError, match="nodeFiles"):
        config(input=files)
