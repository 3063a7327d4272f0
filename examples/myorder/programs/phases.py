"""The ETL consumer: joins the events of each order into one record with the time of each phase.

It reads `order` with the SDK's consumer library and writes `delivery`. The checkpoint never passes
the first event of an order that is still under way, so a restart joins it anew; a record that was
written just before a kill may be written again (at least once).
"""

import itertools
import os
import signal
import socket
import threading

from aliyun.log import LogClient, LogItem, PutLogsRequest
from aliyun.log.consumer import ConsumerProcessorBase, ConsumerWorker, LogHubConfig

STORE = "delivery"
STATES = ("created", "accepted", "cooked", "picked", "delivered")
NAMES = ("take_seconds", "cook_seconds", "pickup_seconds", "ride_seconds")
MAX_OPEN = 10_000
"""Orders under way that are held; the oldest is given up beyond, with a line that says so."""


def joined(times: dict[str, int], fields: dict[str, str]) -> list[tuple[str, str]]:
    """The record of an order whose states have these times."""
    seconds = [times[after] - times[before] for before, after in itertools.pairwise(STATES)]
    phases = dict(zip(NAMES, map(str, seconds), strict=True))
    kept = {key: fields[key] for key in ("order", "area", "terminal")}
    return list((kept | phases | {"total_seconds": str(sum(seconds))}).items())


class Joiner(ConsumerProcessorBase):  # type: ignore[misc] - the SDK is partly typed
    """Joins within one shard: all events of an order lie in one."""

    def __init__(self, client: LogClient, project: str) -> None:
        super().__init__()
        self._client, self._project = client, project
        self._open: dict[str, dict[str, int]] = {}
        self._since: dict[str, str] = {}
        self._begin = ""

    def process(self, log_groups: object, check_point_tracker: object) -> None:
        """Take a batch; the library calls it for one batch after the other."""
        done = []
        for group in log_groups.LogGroups:
            for log in group.Logs:
                fields = {each.Key: each.Value for each in log.Contents}
                done += self._take(log.Time, fields)
        if done:
            request = PutLogsRequest(self._project, STORE, "phases", "etl", done)
            self._client.put_logs(request)
        self._begin = check_point_tracker.get_cursor()
        self._save(check_point_tracker)

    def shutdown(self, check_point_tracker: object) -> None:
        """Leave the place where the next consumer has to begin."""
        self._save(check_point_tracker)

    def _save(self, tracker: object) -> None:
        oldest = next(iter(self._since.values()), self._begin)
        if oldest:
            tracker.save_check_point(persistent=True, cursor=oldest)

    def _take(self, time: int, fields: dict[str, str]) -> list[LogItem]:
        order, state = fields["order"], fields["state"]
        if state == "created" and order not in self._open:
            self._open[order], self._since[order] = {}, self._begin
        if order not in self._open:
            return []  # it began before this consumer's first record
        self._open[order][state] = time
        finished = []
        if state == "delivered" and len(self._open[order]) == len(STATES):
            finished = [LogItem(time, contents=joined(self._open[order], fields))]
        if state in {"delivered", "failed"}:
            del self._open[order], self._since[order]
        elif len(self._open) > MAX_OPEN:
            lost = next(iter(self._open))
            print(f"order {lost} is given up: {MAX_OPEN} are under way", flush=True)
            del self._open[lost], self._since[lost]
        return finished


def main() -> None:
    """Consume until SIGTERM."""
    project, endpoint = os.environ["PROJECT"], os.environ["ENDPOINT"]
    key = (os.environ["ACCESS_KEY_ID"], os.environ["ACCESS_KEY_SECRET"])
    config = LogHubConfig(
        endpoint, *key, project, "order", "phases", socket.gethostname(), data_fetch_interval=1
    )
    worker = ConsumerWorker(Joiner, config, args=(LogClient(endpoint, *key), project))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker.start()
    stop.wait()
    worker.shutdown()
    worker.join(timeout=20)


if __name__ == "__main__":
    main()
