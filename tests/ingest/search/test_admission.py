"""Queries that wait their turn, and those that are told to come back."""

import asyncio
import threading

import pytest

from loghub_ingest.api import admission
from slswire import errors


async def test_beyond_those_that_run_and_wait_a_query_is_told_to_come_back():
    door = admission.Admission(running=2, waiting=3)
    go = threading.Event()
    inside = [asyncio.create_task(door.run(go.wait)) for _ in range(5)]
    await asyncio.sleep(0)  # all five are at the door now
    with pytest.raises(errors.SlsError) as refused:
        await door.run(go.wait)
    assert (refused.value.status, refused.value.code) == (503, "ServerBusy")
    go.set()
    assert await asyncio.gather(*inside) == [True] * 5
    assert await door.run(lambda: "room again") == "room again"


async def test_query_whose_client_went_away_counts_until_it_has_ended():
    door = admission.Admission(running=1, waiting=0)
    go = threading.Event()
    gone = asyncio.create_task(door.run(go.wait))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    with pytest.raises(errors.SlsError):
        await door.run(go.wait)
    go.set()
    # The loop learns of it a moment after the thread.
    for _ in range(3000):
        if not door._inside:
            break
        await asyncio.sleep(0.01)
    assert await door.run(lambda: "room again") == "room again"
