"""Each supported shape of the chart: what it renders, and that a real API server takes it.

LOGHUB_WRITE_GOLDEN=1 pytest tests/charts/test_shapes.py    writes the golden files anew
"""

import os
import pathlib
import re
import subprocess

import pytest
import yaml

HERE = pathlib.Path(__file__).parent
CHART = HERE.parents[1] / "charts" / "loghub"
SHAPES = sorted(path.stem for path in (CHART / "shapes").glob("*.yaml"))
MADE = ("accessKeyId", "accessKeySecret", "secrets.key")
"""Keys of Secrets whose value is drawn at each rendering."""


def objects(text: str) -> list[dict]:
    return [each for each in yaml.safe_load_all(text) if each]


def masked(text: str) -> str:
    """The manifests without what is random, and without the files that stand in the chart."""
    for key in MADE:
        text = re.sub(rf"(?m)^(  {re.escape(key)}: )\S+$", r"\1DRAWN", text)
    found = objects(text)
    for each in found:
        for name, content in (each.get("data") or {}).items():
            if "\n" in content:
                each["data"][name] = f"{name} of the chart"
    return yaml.safe_dump_all(found, sort_keys=False, width=110)


def test_the_readme_names_every_shape():
    text = (CHART / "README.md").read_text()
    assert {f"`shapes/{shape}.yaml`" for shape in SHAPES} == set(
        re.findall(r"`shapes/[a-z-]+\.yaml`", text)
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_renders_as_its_golden_file(render, shape):
    got = masked(render(f"--values={CHART}/shapes/{shape}.yaml"))
    golden = HERE / "golden" / f"{shape}.yaml"
    if os.environ.get("LOGHUB_WRITE_GOLDEN"):
        golden.write_text(got)
    assert got == golden.read_text()


@pytest.mark.apiserver
@pytest.mark.parametrize("shape", SHAPES)
def test_an_api_server_takes_every_object_of_a_shape(render, kubectl, definitions, tmp_path, shape):
    path = tmp_path / "manifests.yaml"
    path.write_text(render(f"--values={CHART}/shapes/{shape}.yaml"))
    if "namespace/loghub-system" not in kubectl("get", "namespaces", "-o", "name"):
        kubectl("create", "namespace", "loghub-system")
        # No controller makes it here, and pods are refused without.
        kubectl("-n", "loghub-system", "create", "serviceaccount", "default")
    options = ("--server-side", "--dry-run=server", "--validate=strict")
    said = kubectl("-n", "loghub-system", "apply", *options, f"--filename={path}")
    assert said.count("serverside-applied") == len(objects(path.read_text()))


@pytest.mark.apiserver
@pytest.mark.parametrize(
    ("kind", "was", "becomes", "words"),
    [
        ("PodMonitor", "podMetricsEndpoints:", "podMetricEndpoints:", "podMetricEndpoints"),
        ("PodMonitor", "interval: 30s", "interval: often", "interval"),
        ("PrometheusRule", "for: ", "for: soon-", "for"),
        ("PrometheusRule", "expr: ", "expression: ", "expression"),
    ],
)
def test_the_prometheus_operators_own_schemas_would_refuse_a_mistake(
    render, kubectl, definitions, tmp_path, kind, was, becomes, words
):
    text = render(f"--values={CHART}/shapes/production.yaml")
    [found, *_] = [each for each in re.split(r"(?m)^---$", text) if f"kind: {kind}" in each]
    path = tmp_path / "object.yaml"
    options = ("--server-side", "--dry-run=server", "--validate=strict")
    path.write_text(found)
    kubectl("-n", "default", "apply", *options, f"--filename={path}")
    assert was in found
    path.write_text(found.replace(was, becomes, 1))
    with pytest.raises(AssertionError, match=words):
        kubectl("-n", "default", "apply", *options, f"--filename={path}")


ROUTE = (
    "--set=gateway.enabled=true",
    "--set=gateway.host=logs.example.com",
    "--set=gateway.parentRefs[0].name=public",
    "--set=gateway.parentRefs[0].namespace=gateways",
)


@pytest.mark.apiserver
def test_a_route_of_the_gateway_api_leads_every_projects_host_to_the_service(
    render, kubectl, definitions, tmp_path
):
    found = objects(render(*ROUTE))
    [route] = [each for each in found if each["kind"] == "HTTPRoute"]
    assert route["spec"]["hostnames"] == ["logs.example.com", "*.logs.example.com"]
    [target] = route["spec"]["rules"][0]["backendRefs"]
    [service] = [
        each
        for each in found
        if (each["kind"], each["metadata"]["name"]) == ("Service", target["name"])
    ]
    assert target["port"] in [each["port"] for each in service["spec"]["ports"]]
    [stateful] = [each for each in found if each["kind"] == "StatefulSet"]
    arguments = stateful["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--service-name=logs.example.com" in arguments
    path = tmp_path / "route.yaml"
    options = ("--server-side", "--dry-run=server", "--validate=strict")
    path.write_text(yaml.safe_dump(route))
    kubectl("-n", "default", "apply", *options, f"--filename={path}")
    route["spec"]["hostnames"] = ["logs_example"]
    path.write_text(yaml.safe_dump(route))
    with pytest.raises(AssertionError, match="hostnames"):
        kubectl("-n", "default", "apply", *options, f"--filename={path}")


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        ("gateway.host", "gateway.host is empty"),
        ("gateway.parentRefs", "gateway.parentRefs is empty"),
    ],
)
def test_a_route_without_what_it_needs_is_refused_by_name(render, left_out, words):
    with pytest.raises(AssertionError, match=words):
        render(*(each for each in ROUTE if left_out not in each))


@pytest.mark.parametrize("shape", SHAPES)
def test_helm_finds_nothing_to_warn_of(tool, shape):
    command = [tool("helm"), "lint", "--strict", str(CHART)]
    done = subprocess.run(
        [*command, f"--values={CHART}/shapes/{shape}.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("shape", SHAPES)
def test_every_container_of_a_shape_fits_the_restricted_pod_security(render, shape):
    text = render(f"--values={CHART}/shapes/{shape}.yaml")
    pods = [each["spec"] for each in objects(text) if each["kind"] == "Pod"]
    pods += [
        each["spec"]["template"]["spec"]
        for each in objects(text)
        if each["kind"] in {"Deployment", "StatefulSet"}
    ]
    assert pods
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("ingst.enabled=true", "ingst"),
        ("ingest.sealing.where=Disk", "/ingest/sealing/where"),
        ("operator.replicas=0", "/operator/replicas"),
        ("image.digest.agent=sha256:12", "/image/digest/agent"),
        ("agent.tolerations[0].operatr=Exists", "operatr"),
        ("ingest.resources.limit.memory=1Gi", "/ingest/resources"),
        ("ingest.persistence.size=4G", "/ingest/persistence/size"),
        ("ingress.enabled=true", "ingress.host is empty"),
        ("ingress.host=Logs_Example", "/ingress/host"),
        ("agent.maxUnavailable=none", "/agent/maxUnavailable"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_name(render, setting, words):
    with pytest.raises(AssertionError, match=re.escape(words)):
        render(f"--set={setting}")


def test_everything_that_has_a_switch_is_in_the_production_shape(render):
    text = render(f"--values={CHART}/shapes/production.yaml")
    kinds = {each["kind"] for each in objects(text)}
    assert kinds > {"Ingress", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor"}
    assert {"PrometheusRule", "ConfigMap"} < kinds
    default = {each["kind"] for each in objects(render())}
    assert not default & {"Ingress", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor"}
