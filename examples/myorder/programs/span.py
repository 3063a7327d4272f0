"""The spans of time that a program works off: one that is given, or the present, bit by bit."""

import argparse
import sys
import time
from collections.abc import Iterator

PAUSE_SECONDS = 0.5


def parser(about: str) -> argparse.ArgumentParser:
    """With `--begin` and `--end` the program works that span off and ends; else it follows now."""
    made = argparse.ArgumentParser(description=about)
    made.add_argument("--begin", type=int, metavar="SECONDS", help="unix time")
    made.add_argument("--end", type=int, metavar="SECONDS", help="unix time, itself left out")
    return made


def spans(options: argparse.Namespace) -> Iterator[tuple[int, int]]:
    """Spans `begin <= time < end` that follow each other without a gap."""
    if options.begin is not None and options.end is not None:
        yield options.begin, options.end
        return
    if options.begin is not None or options.end is not None:
        sys.exit("--begin and --end go together: give both, or none")
    begin = int(time.time())
    while True:
        time.sleep(PAUSE_SECONDS)
        end = int(time.time())
        if end > begin:
            yield begin, end
            begin = end
