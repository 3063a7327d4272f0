"""A pod that runs the official SDK, unmodified, against `http://<project>.<namespace>.svc`.

All it is given is the Secret that the operator makes beside the LogProject. The SDK puts the
project's name in front of the endpoint's host, and the cluster's DNS finds the project's Service.
"""

import json

import pytest

from stage import release, waiting, workloads
from stage.kubernetes import Cluster, condition

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

PROGRAM = """
import json, os, socket, time
from aliyun.log import LogClient, LogException, LogItem, PutLogsRequest

project, endpoint = os.environ["PROJECT"], os.environ["ENDPOINT"]
host = endpoint.partition("://")[2]
socket.getaddrinfo(f"{project}.{host}", 80)
client = LogClient(endpoint, os.environ["ACCESS_KEY_ID"], os.environ["ACCESS_KEY_SECRET"])
for attempt in range(30):
    try:
        items = [LogItem(int(time.time()), [("n", str(n))]) for n in range(100)]
        client.put_logs(PutLogsRequest(project, "lines", "of-a-pod", "", items))
        break
    except LogException:
        time.sleep(1)  # its pod's network may come after it
read = []
for shard in client.list_shards(project, "lines").get_shards_info():
    number = shard["shardID"]
    cursor = client.get_begin_cursor(project, "lines", number).get_cursor()
    pulled = client.pull_logs(project, "lines", number, cursor, count=100)
    read += [int(each["n"]) for each in pulled.get_flatten_logs_json() if "n" in each]
refused = ""
try:
    client.get_logstore("default-project", "lines")
except LogException as fault:
    refused = fault.get_error_code()
print(json.dumps({"host": f"{project}.{host}", "read": sorted(read), "refused": refused}))
"""
"""Writes a hundred records, reads them back, and tries another project; prints what came of it."""


def with_key(pod: dict, secret: str) -> dict:
    """The pod with the image that has the SDK, and the project's key in its variables."""
    [container] = pod["spec"]["containers"]
    container["image"] = f"loghub.local/myorder:{release.image_tag()}"
    keys = {
        "ENDPOINT": "hostEndpoint",
        "PROJECT": "project",
        "ACCESS_KEY_ID": "accessKeyId",
        "ACCESS_KEY_SECRET": "accessKeySecret",
    }
    container["env"] = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for name, key in keys.items()
    ]
    return pod


def until_ready(cluster: Cluster, kind: str, name: str, namespace: str) -> None:
    def look() -> bool:
        return condition(cluster.get(kind, name, namespace), "Ready").get("status") == "True"

    waiting.until(f"{kind} {name} is ready", look, every=1)


def test_official_sdk_in_a_pod_writes_and_reads_with_the_projects_secret(installed, namespace):
    installed.apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.store("lines", namespace, "app", shardCount=1),
    )
    until_ready(installed, "logproject", "app", namespace)
    until_ready(installed, "logstore", "lines", namespace)
    pod = workloads.pod("sdk", namespace, ["python3", "-c", PROGRAM])
    installed.apply(with_key(pod, "app-loghub-credentials"))

    def ended() -> str:
        found = installed.get("pod", "sdk", namespace) or {}
        phase = str((found.get("status") or {}).get("phase", ""))
        return phase if phase in {"Succeeded", "Failed"} else ""

    phase = waiting.until("the pod has ended", ended, seconds=180, every=1)
    said = installed.kubectl("logs", "sdk", "-n", namespace)
    assert phase == "Succeeded", said
    found = json.loads(said.splitlines()[-1])
    assert found["host"] == f"{namespace}.{release.NAMESPACE}.svc"
    assert found["read"] == list(range(100))
    # The key is the project's own: it opens no other.
    assert found["refused"] == "Unauthorized"
