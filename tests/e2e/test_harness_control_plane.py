"""The small control plane: real requests against a real API server, and outages."""

import json
import ssl
import urllib.error
import urllib.request

import pytest

from harness import waiting
from harness.control_plane import ControlPlane
from harness.fixtures import control_plane

__all__ = ["control_plane"]

pytestmark = pytest.mark.apiserver


def request(plane: ControlPlane, path: str, body: dict | None = None, method: str = "GET") -> dict:
    context = ssl.create_default_context(cafile=str(plane.authority))
    context.load_cert_chain(plane.admin.certificate, plane.admin.key)
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    call = urllib.request.Request(plane.url + path, data, headers, method=method)
    with urllib.request.urlopen(call, context=context, timeout=10) as answer:
        return json.load(answer)


def config_map(name: str, **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


MAPS = "/api/v1/namespaces/default/configmaps"


def test_outage_keeps_data_and_address(control_plane):
    request(control_plane, MAPS, config_map("kept", colour="blue"), "POST")
    url = control_plane.url
    control_plane.stop()
    with pytest.raises(urllib.error.URLError, match="refused"):
        request(control_plane, f"{MAPS}/kept")
    control_plane.start()
    assert control_plane.url == url
    assert request(control_plane, f"{MAPS}/kept")["data"] == {"colour": "blue"}


def test_version_is_stamped(control_plane):
    assert request(control_plane, "/version")["gitVersion"].startswith("v1.")


def test_kubeconfig_names_the_running_server(control_plane):
    document = json.loads(control_plane.kubeconfig.read_text())
    assert document["clusters"][0]["cluster"]["server"] == control_plane.url


def test_user_without_rights_is_known_by_name_and_refused(control_plane):
    user = "system:serviceaccount:default:nobody"
    document = json.loads(control_plane.kubeconfig_for(user).read_text())
    assert document["users"][0]["user"]["client-certificate-data"]
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": {"verb": "list", "resource": "secrets"}},
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert request(control_plane, path, review, "POST")["status"]["allowed"] is False


def test_garbage_collector_removes_owned_objects_where_asked_for():
    with ControlPlane(controllers=("garbage-collector-controller",)) as plane:
        owner = request(plane, MAPS, config_map("owner"), "POST")
        owned = config_map("owned")
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner"}
        owned["metadata"]["ownerReferences"] = [{**reference, "uid": owner["metadata"]["uid"]}]
        request(plane, MAPS, owned, "POST")
        request(plane, f"{MAPS}/owner", method="DELETE")

        def gone() -> bool:
            names = [item["metadata"]["name"] for item in request(plane, MAPS)["items"]]
            return "owned" not in names

        waiting.until("the owned object is collected", gone, seconds=60)
