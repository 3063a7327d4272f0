"""The loghub ingestion service: an open server for the SLS LogHub HTTP API."""

__version__ = "0.1.0"
