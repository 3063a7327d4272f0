"""What a command says when it cannot do its work; `cli` turns it into an exit status."""


class CliError(Exception):
    """The work failed; the sentence names the object and the way out."""


class UsageError(CliError):
    """The command line asks for something that cannot be."""
