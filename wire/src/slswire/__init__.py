"""The SLS LogHub wire format: log groups, compression, signatures, error catalogue, limits."""

__version__ = "0.1.0"
