"""A bundled project's Service passes on what the service speaks."""

import dataclasses

import pytest

from loghub_operator import cache, events, kinds, reporting
from loghub_operator import cluster as clusters
from loghub_operator.reconciling import context, permitting, services

pytestmark = pytest.mark.apiserver


@pytest.mark.parametrize(("tls", "ports"), [(False, [80]), (True, [80, 443])])
async def test_service_of_a_project_has_the_ports_of_the_release(
    cluster, control_plane, namespace, tls, ports
):
    api = await clusters.connect(str(control_plane.kubeconfig))
    settings = context.Settings(namespace, "agent:1", "http://ingest", "root", None)
    settings = dataclasses.replace(settings, project_services=True, project_services_tls=tls)
    ctx = context.Context(
        settings, api, cache.Cache(), events.Events(api), reporting.Reports(namespace),
        permitting.Permits(api),
    )  # fmt: skip
    try:
        for _ in range(2):  # the second finds it as it is
            assert await services.ensure(ctx, "shop") == f"http://{namespace}.svc"
        found = await api.get(kinds.SERVICE, "shop", namespace)
        assert found is not None
        assert [each["port"] for each in found["spec"]["ports"]] == ports
    finally:
        await api.close()
