"""Which API operation a request of the access log is, as the official documents name it."""

import re
from typing import Final

_STORE, _NAME = r"/logstores/[^/]+", r"[^/]+"

OPERATIONS: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("CreateProject", "POST", "/", ""),
    ("GetProject, ListProject", "GET", "/", ""),
    ("UpdateProject", "PUT", "/", ""),
    ("DeleteProject", "DELETE", "/", ""),
    ("CreateLogstore", "POST", "/logstores", ""),
    ("ListLogstores", "GET", "/logstores", ""),
    ("GetLogstore", "GET", _STORE, ""),
    ("UpdateLogstore", "PUT", _STORE, ""),
    ("DeleteLogstore", "DELETE", _STORE, ""),
    ("ListShards", "GET", f"{_STORE}/shards", ""),
    ("SplitShard", "POST", f"{_STORE}/shards/[0-9]+", "split"),
    ("MergeShards", "POST", f"{_STORE}/shards/[0-9]+", "merge"),
    ("CreateIndex", "POST", f"{_STORE}/index", ""),
    ("GetIndex", "GET", f"{_STORE}/index", ""),
    ("UpdateIndex", "PUT", f"{_STORE}/index", ""),
    ("DeleteIndex", "DELETE", f"{_STORE}/index", ""),
    ("PutLogs", "POST", f"{_STORE}(/shards/lb)?", ""),
    ("PutLogs by hash key", "POST", f"{_STORE}/shards/route", ""),
    ("PutWebtracking", "POST", f"{_STORE}/track", ""),
    ("PutWebtracking by image", "GET", rf"{_STORE}/track(_ua)?\.gif", ""),
    ("GetCursor", "GET", f"{_STORE}/shards/[0-9]+", "cursor"),
    ("GetCursorTime", "GET", f"{_STORE}/shards/[0-9]+", "cursor_time"),
    ("PullLogs", "GET", f"{_STORE}/shards/[0-9]+", "logs?"),
    ("GetLogs", "GET", _STORE, "log"),
    ("GetLogsV2", "POST", f"{_STORE}/logs", ""),
    ("GetHistograms", "GET", f"{_STORE}(/index)?", "histogram"),
    ("GetContextLogs", "GET", _STORE, "context_log"),
    ("ListTopics", "GET", _STORE, "topic"),
    ("GetProjectLogs", "GET", "/logs", ""),
    ("CreateConsumerGroup", "POST", f"{_STORE}/consumergroups", ""),
    ("ListConsumerGroup", "GET", f"{_STORE}/consumergroups", ""),
    ("UpdateConsumerGroup", "PUT", f"{_STORE}/consumergroups/{_NAME}", ""),
    ("DeleteConsumerGroup", "DELETE", f"{_STORE}/consumergroups/{_NAME}", ""),
    ("ConsumerGroupHeartBeat", "POST", f"{_STORE}/consumergroups/{_NAME}", "heartbeat"),
    ("ConsumerGroupUpdateCheckPoint", "POST", f"{_STORE}/consumergroups/{_NAME}", "checkpoint"),
    ("GetCheckPoint", "GET", f"{_STORE}/consumergroups/{_NAME}", ""),
    ("CreateConfig", "POST", "/configs", ""),
    ("ListConfig", "GET", "/configs", ""),
    ("GetConfig", "GET", f"/configs/{_NAME}", ""),
    ("UpdateConfig", "PUT", f"/configs/{_NAME}", ""),
    ("DeleteConfig", "DELETE", f"/configs/{_NAME}", ""),
    ("GetAppliedMachineGroups", "GET", f"/configs/{_NAME}/machinegroups", ""),
    ("CreateMachineGroup", "POST", "/machinegroups", ""),
    ("ListMachineGroup", "GET", "/machinegroups", ""),
    ("GetMachineGroup", "GET", f"/machinegroups/{_NAME}", ""),
    ("UpdateMachineGroup", "PUT", f"/machinegroups/{_NAME}", ""),
    ("DeleteMachineGroup", "DELETE", f"/machinegroups/{_NAME}", ""),
    ("ListMachines", "GET", f"/machinegroups/{_NAME}/machines", ""),
    ("GetAppliedConfigs", "GET", f"/machinegroups/{_NAME}/configs", ""),
    ("ApplyConfigToMachineGroup", "PUT", f"/machinegroups/{_NAME}/configs/{_NAME}", ""),
    ("RemoveConfigFromMachineGroup", "DELETE", f"/machinegroups/{_NAME}/configs/{_NAME}", ""),
    ("TagResources", "POST", "/tag", ""),
    ("UntagResources", "POST", "/untag", ""),
    ("ListTagResources", "GET", "/tags", ""),
)
"""Name, method, the whole path, the query's `type` or `action`."""


def name(method: str, path: str, kind: str) -> str | None:
    """The operation's name, or None for a request that is none of the documented API."""
    for found, verb, pattern, wanted in OPERATIONS:
        if verb == method and re.fullmatch(pattern, path) and re.fullmatch(wanted, kind):
            return found
    return None
