"""What holds for every test: none fails for being slow, since machines are shared and noisy."""

import signal

import hypothesis

from harness.fixtures import kafka, postgres, where

__all__ = ["kafka", "postgres", "where"]

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


def pytest_configure() -> None:
    """Programs under test can be interrupted, also where the run itself ignores interrupts.

    A shell starts what runs in its background so, and every child inherits it.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
