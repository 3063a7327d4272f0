"""Shell completion: the script that a shell sources, and the answers to a key press.

A shell runs `loghub` itself with argcomplete's variables set; kubectl (1.26 and later) runs
`kubectl_complete-loghub` with the words as arguments. `offering` knows the names of a cluster.
"""

import argparse
import io
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Final

import argcomplete
from argcomplete import shell_integration

from loghub_cli import command_line, offering

_NO_FILES: Final = ":4"
"""kubectl's directive (cobra's ShellCompDirectiveNoFileComp): offer nothing beside these lines."""

_IN_BASH: Final = ("-o", "nospace")
"""No fallback to file names: where nothing is offered, nothing fits."""


def script(shell: str) -> str:
    """What `shell` sources to complete `loghub`."""
    return shell_integration.shellcode(["loghub"], shell=shell, complete_arguments=_IN_BASH)


def answer(parser: argparse.ArgumentParser) -> None:
    """Answer a shell's key press and exit, if this is one; else return."""
    argcomplete.autocomplete(
        parser, always_complete_options=False, default_completer=offering.Nothing()
    )


def kubectl(arguments: Sequence[str] | None = None) -> int:
    """`kubectl_complete-loghub WORD...`: a line for each completion of the last word."""
    words = list(sys.argv[1:] if arguments is None else arguments) or [""]
    # argcomplete reads a whole command line from the environment, as shells give it.
    line = f"{shlex.join(['loghub', *words[:-1]])} {words[-1]}"
    os.environ |= {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_DFS": "\t",
        "_ARGCOMPLETE_SHELL": "fish",  # the shell whose form kubectl's is: a name, a tab, its help
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    found = io.StringIO()
    argcomplete.autocomplete(
        command_line.parser(),
        always_complete_options=False,
        default_completer=offering.Nothing(),
        exit_method=lambda _: None,
        output_stream=found,
    )
    for each in found.getvalue().splitlines():
        print(each.rstrip("\t"))
    print(_NO_FILES)
    return 0
