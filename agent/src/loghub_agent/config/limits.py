"""Bounds on what a LogPipeline may say, each with its source. Read by `raw` and `reading`."""

from typing import Final

CONTRACT_VERSION: Final = 1
"""The only `spec.version` this agent knows."""

MAX_TEXT_CHARACTERS: Final = 4096
"""Any one text. Longer than every legal name, URL or pattern; a guess, kept generous."""

MAX_ENTRIES: Final = 1000
"""Entries of one list or map. The operator's own lists stay far below; a guess."""

MAX_NAMESPACES: Final = 10_000
"""Entries of a list of namespaces: the most a cluster is built for (Kubernetes' own threshold)."""

MAX_ANNOTATION_CHARACTERS: Final = 1024
"""Longest annotation value kept of a pod, hence the longest a selector may ask for.

Longer ones (last-applied-configuration and its kind) would fill a node's memory and select nothing.
"""

MAX_TAG_CHARACTERS: Final = 128
"""Longest tag name: the key limit of SLS (128 B)."""

JSON_DEPTH: Final = (1, 10)
"""Least and most `parser.json.maxDepth`; the core's own bound."""

FLUSH_SECONDS: Final = (0.01, 600.0)
"""Least and most `multiline.flushAfter`. The most is a guess: a record held longer is not live."""

MAX_RATE: Final = 2**53
"""Most `delivery.maxBytesPerSecond`; far beyond any network. 0 is no limit."""

SPOOL_BYTES: Final = (1024 * 1024, 2**40)
"""Least and most `delivery.spool.maxBytes`: some requests, a large volume. Guesses."""

MULTILINE_BYTES: Final = (1, 10 * 1024 * 1024)
"""Least and most `multiline.maxBytes`. PutLogs takes 10 MB, so no record can be larger."""

FILES_PATHS: Final = 64
"""Paths of one input; a guess: more of them are several pipelines."""

FILES_DEPTH: Final = (0, 100)
"""Least and most `maxDepth`: directories that `**` goes through."""

DEFAULT_FILES_DEPTH: Final = 10
"""Deeper than logs lie; a walk is bounded besides."""

TAIL_BYTES: Final = (0, 1024 * 1024 * 1024)
"""Least and most `tailBytes`."""
