"""What an agent's pod may see of its node."""

import pytest

from loghub_operator import daemonsets
from loghub_operator.resources import agents

OWNER = {"name": "default", "uid": "u"}


def pod(**spec: object) -> dict:
    made = agents.CollectionAgentSpec.model_validate(spec)
    found = daemonsets.build("default", made, namespace="x", image="i", owner=OWNER)
    return found["spec"]["template"]["spec"]


def test_agent_that_reads_files_has_the_nodes_root_read_only_and_follows_its_mounts():
    found = pod()
    [container] = found["containers"]
    [mount] = [each for each in container["volumeMounts"] if each["name"] == "host"]
    assert mount["readOnly"] is True
    # Without it a volume that was there at the start could never be unmounted on the node.
    assert mount["mountPropagation"] == "HostToContainer"
    assert {"name": "LOGHUB_ROOT", "value": mount["mountPath"]} in container["env"]
    assert container["securityContext"]["capabilities"] == {
        "drop": ["ALL"],
        "add": ["DAC_READ_SEARCH"],
    }


def test_agent_of_logs_alone_sees_nothing_else_of_the_node():
    found = pod(hostAccess="Logs")
    paths = [each["hostPath"]["path"] for each in found["volumes"] if "hostPath" in each]
    assert paths == ["/var/log/pods", "/var/lib/loghub-agent"]
    [container] = found["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("access", ["Files", "Logs"])
def test_agent_has_no_namespace_of_the_nodes_and_no_privileges(access):
    found = pod(hostAccess=access)
    assert not {"hostPID", "hostNetwork", "hostIPC"} & found.keys()
    [container] = found["containers"]
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert "privileged" not in container["securityContext"]


def test_other_collectors_keys_are_read_where_they_are_switched_on_only():
    def variables(**more: object) -> dict[str, str]:
        spec = agents.CollectionAgentSpec()
        found = daemonsets.build("p", spec, namespace="x", image="i", owner=OWNER, **more)
        [container] = found["spec"]["template"]["spec"]["containers"]
        return {each["name"]: each.get("value", "") for each in container["env"]}

    assert "LOGHUB_ALIASES" not in variables()
    assert variables(aliases=("datadog", "elastic"))["LOGHUB_ALIASES"] == "datadog,elastic"
