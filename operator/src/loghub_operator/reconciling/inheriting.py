"""What a namespace's annotations add to the opt-ins of its pods: defaults, key by key. Pure.

`granting` reads where to (`logstore`, `project`), here is how: `parser`, `multiline` and `tags`. A
pod's own word wins; agents know no namespaces, so `optins` puts these into the LogConfigs.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Final

from loghub_operator.reconciling import forming

PREFIX: Final = "loghub.dev/"
_KNOWN: Final = ("logstore", "project", "exclude", "parser", "multiline", "tags")
"""Keys that say something on a namespace."""
_MAX_TAGS: Final = 32
_TAG: Final = re.compile(r"([A-Za-z][A-Za-z0-9.-]{0,127})=(.+)")
"""As agents take them from pods; names with `_` are the default tags' own."""


@dataclasses.dataclass(frozen=True, slots=True)
class Inherited:
    """What is added where a pod says nothing itself."""

    parser: str = ""
    multiline: str = ""
    tags: tuple[tuple[str, str], ...] = ()

    def over(self, form: forming.Form) -> forming.Form:
        """The form of an opt-in with what is inherited."""
        return dataclasses.replace(
            form,
            parser=form.parser or self.parser,
            multiline=form.multiline or self.multiline,
        )


NOTHING: Final = Inherited()


def read(annotations: Mapping[str, str]) -> tuple[Inherited, list[str]]:
    """What a namespace's annotations come to, and a sentence for each that does not work."""
    said = {
        key.removeprefix(PREFIX): str(value).strip()
        for key, value in annotations.items()
        if key.startswith(PREFIX)
    }
    faults = [
        f"{PREFIX}{key} says nothing on a namespace; these do: {', '.join(_KNOWN)}"
        for key in sorted(said.keys() - set(_KNOWN))
    ]
    parser, first = said.get("parser", ""), _line(said.get("multiline", ""))
    if fault := forming.fault(forming.Form(parser=parser)):
        faults.append(f"{PREFIX}parser does not work: {fault}")
        parser = ""
    wanted = forming.Form(multiline=first)
    for fault in filter(None, (forming.fault(wanted), *forming.judged(wanted)[1])):
        faults.append(f"{PREFIX}multiline does not work: {fault}")
        first = ""
    tags: dict[str, str] = {}
    for text in filter(None, said.get("tags", "").split(",")):
        found = _TAG.fullmatch(text.strip())
        if found is None or not text.isprintable() or len(tags) >= _MAX_TAGS:
            faults.append(
                f"{PREFIX}tags is a list of up to {_MAX_TAGS} tags, name=value, names without _; "
                f"{text.strip()[:80]!r} is left out"
            )
        else:
            tags[found[1]] = found[2]
    return Inherited(parser, first, tuple(sorted(tags.items()))), faults


def _line(word: str) -> str:
    """A value as a form has it: `^` alone begins what a first line matches."""
    return f"start:{word}" if word.startswith("^") else word
