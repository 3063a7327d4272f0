"""Names of the headers that SLS requests and answers carry, in lower case as on the wire."""

from typing import Final

API_VERSION: Final = "x-log-apiversion"
BODY_RAW_SIZE: Final = "x-log-bodyrawsize"
COMPRESS_TYPE: Final = "x-log-compresstype"
CONTENT_SHA256: Final = "x-log-content-sha256"
COUNT: Final = "x-log-count"
CURSOR: Final = "x-log-cursor"
DATE: Final = "x-log-date"
HASH_KEY: Final = "x-log-hashkey"
MODE: Final = "x-log-mode"
PROGRESS: Final = "x-log-progress"
PROJECT: Final = "x-log-project"
READ_LAST_CURSOR: Final = "x-log-read-last-cursor"
REQUEST_ID: Final = "x-log-requestid"
SECURITY_TOKEN: Final = "x-acs-security-token"  # noqa: S105 - a header name, no secret
SIGNATURE_METHOD: Final = "x-log-signaturemethod"
TIME: Final = "x-log-time"

API_VERSION_VALUE: Final = "0.6.0"
"""The one version every current client sends."""
