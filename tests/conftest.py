"""What holds for every test: none fails for being slow, since machines are shared and noisy."""

import hypothesis

from harness.fixtures import kafka, postgres, where

__all__ = ["kafka", "postgres", "where"]

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")
