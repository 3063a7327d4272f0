"""What a shell offers for an argument: names of the cluster's objects. `completing` asks for it.

A key press must neither wait long nor print a fault: nothing is offered where kubectl fails.
"""

import argparse
from collections.abc import Iterable
from typing import Final

from argcomplete import completers

from loghub_cli import errors, kubectl

TIMEOUT_SECONDS: Final = 5
"""For one key press; longer than a slow log-in of kubectl takes, shorter than patience."""


class Names(completers.BaseCompleter):
    """Names of the objects of a kind, in the namespace that was typed before or the context's."""

    def __init__(self, kind: str, *, namespaced: bool = True) -> None:
        self._kind, self._namespaced = kind, namespaced

    def __call__(
        self,
        *,
        prefix: str,  # noqa: ARG002 - the caller's protocol; it filters by itself
        action: argparse.Action,  # noqa: ARG002
        parser: argparse.ArgumentParser,  # noqa: ARG002
        parsed_args: argparse.Namespace,
    ) -> Iterable[str]:
        """The names; none where `--endpoint` was typed, which leads to no cluster."""
        if getattr(parsed_args, "endpoint", ""):
            return []
        cluster = kubectl.Kubectl(parsed_args.context, parsed_args.kubeconfig, TIMEOUT_SECONDS)
        try:
            typed = getattr(parsed_args, "namespace", "")
            namespace = (typed or cluster.namespace()) if self._namespaced else ""
            return cluster.names(self._kind, namespace)
        except errors.CliError:
            return []


class NamesOfKind(completers.BaseCompleter):
    """Names of the objects of the kind that was typed before."""

    def __call__(
        self,
        *,
        prefix: str,
        action: argparse.Action,
        parser: argparse.ArgumentParser,
        parsed_args: argparse.Namespace,
    ) -> Iterable[str]:
        """The names; of pods where no kind was typed."""
        names = Names(getattr(parsed_args, "kind", "") or "pod")
        return names(prefix=prefix, action=action, parser=parser, parsed_args=parsed_args)


class Words(completers.BaseCompleter):
    """A few words that are always the same."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def __call__(self, **_: object) -> Iterable[str]:
        """All of them."""
        return self._words


class Nothing(completers.BaseCompleter):
    """For arguments that only the person knows: a span of time, a query."""

    def __call__(self, **_: object) -> Iterable[str]:
        """No names."""
        return []


def offer(action: argparse.Action, completer: completers.BaseCompleter) -> None:
    """Let a shell offer what `completer` names as the value of `action`."""
    action.completer = completer  # type: ignore[attr-defined] # argcomplete's own protocol
