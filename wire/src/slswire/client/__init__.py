"""An async client for the control plane and for reading: what the operator and the CLI call.

`transport` sends one signed request and turns its failure into an `SlsError`; `operations` names
the calls. Applications use the official SDKs; this one is small, async and typed.
"""

from slswire.client.operations import Client, Key, Page, PullResult
from slswire.client.transport import Endpoint, open_session

__all__ = ["Client", "Endpoint", "Key", "Page", "PullResult", "open_session"]
