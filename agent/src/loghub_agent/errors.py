"""The agent's own errors, named by what happens next.

    AgentError
    ├── UsageError     wrong flag or setting: the program ends with status 2
    ├── RefusedError   a document is refused: reported, and its last good form keeps running
    ├── StateError     a file in the state directory cannot be used: logged, then done without it
    ├── CoreError      the compiled core failed a call: logged, reported, tried again
    └── ApiError       the Kubernetes API answered with a failure: tried again with backoff
        └── ExpiredError   a resource version is too old: list again

Only `cli` turns an error into an exit status. Nothing below it ends the process.
"""


class AgentError(Exception):
    """The root: the text is a sentence for a person and never holds a credential."""


class UsageError(AgentError):
    """A flag, a variable or a file named by one is wrong; the sentence says which."""


class RefusedError(AgentError):
    """A document cannot be used; the sentence names the object, the field and the way out."""


class StateError(AgentError):
    """A file of the state directory is torn, foreign or cannot be written."""


class CoreError(AgentError):
    """The compiled core refused or failed a call as a whole."""


class ApiError(AgentError):
    """The Kubernetes API answered with a failure, or not at all.

    `status` is the HTTP status, 0 where no answer came; `retry_after` is the least wait in seconds
    that the server asked for, 0.0 where it asked for none.
    """

    def __init__(self, sentence: str, *, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after = retry_after


class ExpiredError(ApiError):
    """The resource version asked for is no longer kept by the API server (410 Gone)."""
