"""The loghub collection agent: finds containers on its node and moves their lines."""

__version__ = "0.1.0"
