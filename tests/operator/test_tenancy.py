"""Tenants who try: what one writes changes nothing of another's, and becomes no instruction."""

import asyncio
import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_operator import compiling, kinds
from loghub_operator.resources import configs, projects, stores
from stage import waiting, workloads
from stepped import World

SYSTEM = "loghub-system"
MANY = 1000


def test_one_bad_config_among_a_thousand_is_alone_in_its_trouble():
    async def play() -> None:
        world = World()
        world.api.put(kinds.PROJECT, workloads.project("app", "shop", projectName="shop-app"))
        world.api.put(kinds.STORE, workloads.store("a", "shop", "app"))
        for number in range(MANY):
            world.api.put(kinds.CONFIG, workloads.config(f"config-{number}", "shop", "a"))
        await world.settle()

        def pipelines() -> dict[str, Any]:
            found = world.api.all(kinds.PIPELINE)
            return {each["metadata"]["name"]: each for each in found}

        before = pipelines()
        assert len(before) == MANY
        bad = workloads.config("config-500", "shop", "a", multiline={"start": "(["})
        world.api.put(kinds.CONFIG, bad)
        await world.settle()
        # Its own last good form too: not one pipeline was written.
        assert pipelines() == before
        reasons = [
            condition["reason"]
            for each in world.api.all(kinds.CONFIG)
            for condition in each["status"]["conditions"]
            if condition["type"] == "Ready" and condition["reason"] != "Compiled"
        ]
        assert reasons == ["InvalidSpec"]

    asyncio.run(play())


TOKEN = "PLAIN"
SPEC: dict[str, Any] = {
    "logStoreRef": {"name": "s"},
    "input": {"containerFiles": {"paths": [f"/var/{TOKEN}"]}},
    "selector": {
        "podLabels": {"matchLabels": {"app": TOKEN}},
        "podAnnotations": {"a": TOKEN},
        "containerNames": [TOKEN],
    },
    "parser": {"delimiter": {"separator": ",", "keys": [TOKEN]}},
    "time": {"key": TOKEN, "format": f"%Y{TOKEN}"},
    "processors": [
        {"add": {"key": TOKEN}},
        {"rename": {"key": TOKEN}},
    ],
    "tags": {"static": {"key": TOKEN}, "podLabels": {"app": TOKEN}},
}
"""With the token wherever a user's text becomes a part of the pipeline."""

NASTY = st.sampled_from(
    [
        "\n", "\r\n", "\x00", "\x1b[31m", "\u2028", "\ud7ff", "'", '"', "`id`", "$(id)", "${HOME}",
        "{{ .Values }}", "{% raw %}", "%{host}", "<%= 1 %>", "\\n", "- a: b", "# c", "&a", "*a",
        "!!python/object:os.system", "[INPUT]\n    Name exec", "@include x", "]]>", "../..", "|",
    ]
)  # fmt: skip
TEXTS = st.lists(NASTY | st.text(max_size=8), min_size=1, max_size=4).map("".join)


def substituted(found: Any, text: str) -> Any:
    """The same with `text` for the token, in values alone."""
    if isinstance(found, dict):
        return {key: substituted(value, text) for key, value in found.items()}
    if isinstance(found, list):
        return [substituted(each, text) for each in found]
    return found.replace(TOKEN, text) if isinstance(found, str) else found


def compiled(spec: dict[str, Any]) -> dict[str, Any]:
    given_ = projects.LogProjectSpec.model_validate({})
    where = compiling.target(given_, "app", bundled="http://x", credentials="secret")
    metadata = {"name": "a", "namespace": "tenant", "uid": "u", "generation": 1}
    typed = configs.LogConfigSpec.model_validate(spec)
    store = stores.LogStoreSpec.model_validate({"projectRef": {"name": "app"}})
    return compiling.pipeline(metadata, typed, ("s", store), where)


@given(TEXTS)
def test_text_of_a_user_is_a_value_and_nothing_else_whatever_it_holds(text):
    try:
        found = compiled(substituted(SPEC, text))
    except (ValueError, compiling.InvalidError):
        return  # refused, by the field's name
    assert found == substituted(compiled(SPEC), text)
    assert json.loads(json.dumps(found)) == found
    assert found["select"]["namespaces"] == ["tenant"]
    assert "excludeNamespaces" not in found["select"]


def test_the_token_reaches_the_pipeline_from_every_place():
    assert json.dumps(compiled(SPEC)).count(TOKEN) == json.dumps(SPEC).count(TOKEN)


@pytest.mark.apiserver
def test_pipeline_that_a_tenant_writes_in_its_own_namespace_is_nobodys(cluster, namespace):
    cluster.apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.store("lines", namespace, "app"),
        workloads.config("lines", namespace, "lines"),
    )
    cluster.until("LogConfig", "lines", namespace, Ready="True")
    name = compiling.pipeline_name(namespace, "lines")
    real = cluster.get("LogPipeline", name, SYSTEM)
    attacker = f"{namespace}-x"
    forged = copy.deepcopy(real["spec"])
    forged["destination"]["endpoint"] = "http://attacker"
    cluster.apply(
        workloads.namespace(attacker),
        {
            "apiVersion": "loghub.dev/v1alpha1",
            "kind": "LogPipeline",
            "metadata": {"name": name, "namespace": attacker},
            "spec": forged,
        },
    )
    # The victim's next change is compiled from its own resources.
    cluster.apply(workloads.config("lines", namespace, "lines", tags={"static": {"a": "b"}}))

    def changed() -> dict[str, Any]:
        found = cluster.get("LogPipeline", name, SYSTEM)
        return found if found["metadata"]["generation"] > real["metadata"]["generation"] else {}

    found = waiting.until("the new form", changed, every=0.1)
    assert found["spec"]["destination"] == real["spec"]["destination"]
    assert found["spec"]["tags"]["static"] == {"a": "b"}
    assert cluster.get("LogPipeline", name, attacker)["spec"] == forged


@pytest.mark.apiserver
def test_config_that_names_anothers_store_gets_neither_pipeline_nor_key(cluster, namespace):
    cluster.apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.store("lines", namespace, "app"),
    )
    cluster.until("LogStore", "lines", namespace, Ready="True")
    attacker = f"{namespace}-x"
    reference = {"name": "lines", "namespace": namespace}
    cluster.apply(
        workloads.namespace(attacker),
        workloads.config("theft", attacker, "lines", logStoreRef=reference),
    )
    cluster.until_refused("LogConfig", "theft", attacker, "NamespaceNotAllowed")
    assert cluster.get("LogPipeline", compiling.pipeline_name(attacker, "theft"), SYSTEM) is None
    assert cluster.list("Secret", attacker) == []
