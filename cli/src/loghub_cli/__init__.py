"""The loghub command line: shows what is collected, and reads it back."""

__version__ = "0.1.0"
