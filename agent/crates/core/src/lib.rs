//! The agent's data path: container log files in, acknowledged `PutLogs` requests out.
