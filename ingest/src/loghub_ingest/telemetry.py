"""The service's logs (JSON lines on stderr) and its metrics, scraped from the admin port."""

import datetime as dt
import json
import logging
import sys
from typing import Final

import prometheus_client as prometheus

REQUESTS: Final = prometheus.Counter(
    "loghub_ingest_requests_total", "Answered requests.", ["call", "code"]
)
SECONDS: Final = prometheus.Histogram(
    "loghub_ingest_request_seconds", "From the request's head to its answer.", ["call"]
)
RECEIVED: Final = prometheus.Counter(
    "loghub_ingest_received_bytes_total", "Bytes of request bodies, as on the wire."
)
SPLITS: Final = prometheus.Counter(
    "loghub_ingest_shard_splits_total", "Busy shards of Logstores with autoSplit that were split."
)
CLOSED: Final = prometheus.Counter(
    "loghub_ingest_closed_connections_total", "Connections that the service ended.", ["reason"]
)

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def set_up(level: str) -> None:
    """Send every log record to stderr as one line of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True
