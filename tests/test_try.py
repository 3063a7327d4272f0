"""`make try` shows every sample's record, and its programs end with it."""

import asyncio
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


async def test_try_shows_the_records_of_every_sample_and_ends():
    pipe = asyncio.subprocess.PIPE
    trying = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "tools" / "try_it.py"), "--once", stdout=pipe, stderr=pipe
    )
    out, said = await asyncio.wait_for(trying.communicate(), 100)
    shown = out.decode()
    assert trying.returncode == 0, said.decode()
    assert shown.count("request_method: ") == 2
    assert "healthz" not in shown
    assert re.search(r"message: cannot price order 7\n +java.lang.RuntimeException", shown)
    assert "card: 9bbef19476623ca56c17da75fd57734dbf82530686043a6e491c6d71befe8f6e" in shown
    assert "__raw_log__: payment gateway restarted" in shown
    assert "4111111111111111" not in shown
    assert re.search(r"console +http://127\.0\.0\.1:\d+/console/ +key try / only-on-", shown)
