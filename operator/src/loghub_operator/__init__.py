"""The loghub operator: reconciles LogProject, LogStore and LogConfig, and rolls out the agents."""

__version__ = "0.1.0"
