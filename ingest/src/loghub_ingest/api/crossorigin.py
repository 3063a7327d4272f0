"""CORS: pages of any site may call the API. Its keys are in signatures, never in cookies."""

from typing import Final

HEADERS: Final = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "x-log-requestid,x-log-count,x-log-cursor,x-log-progress",
}
"""On every answer."""

PREFLIGHT: Final = {
    "access-control-allow-methods": "GET,POST,PUT,DELETE,HEAD,OPTIONS",
    # Each by name: a `*` would not cover Authorization.
    "access-control-allow-headers": "authorization,content-type,content-md5,date,"
    "x-acs-security-token,x-log-apiversion,x-log-bodyrawsize,x-log-compresstype,"
    "x-log-content-sha256,x-log-date,x-log-hashkey,x-log-mode,x-log-project,"
    "x-log-signaturemethod",
    "access-control-max-age": "86400",
}
"""On the answer to a browser that asks before it sends."""
