"""What every alias needs to make a form of foreign words, and to say what it could not. Pure."""

import dataclasses
from typing import Final

from loghub_agent import forms, paths, wishes

NO_COUNTERPART: Final = "has no counterpart in a pod's own keys: a LogConfig can say such things"


def shown(value: object) -> str:
    """A foreign value in a sentence. Only text is written out: a document may nest without end."""
    return repr(value[:80]) if isinstance(value, str) else f"a {type(value).__name__}"


@dataclasses.dataclass(slots=True)
class Draft:
    """A form in the making: what is wrong becomes a problem of `key`, and is left out."""

    key: str
    container: str
    """Empty where the key is the pod's."""
    problems: list[wishes.Problem]
    files: tuple[str, ...] = ()
    parser: str = ""
    multiline: str = ""
    include: list[str] = dataclasses.field(default_factory=list)
    exclude: list[str] = dataclasses.field(default_factory=list)

    def refuse(self, words: str, key: str = "") -> None:
        """Add a problem; `key` is the one at fault, where it is not the draft's."""
        problem = wishes.Problem(self.container, key or self.key, words[:400])
        if problem not in self.problems:
            self.problems.append(problem)

    def take_path(self, path: object) -> None:
        """Ask for a file of the container."""
        fault = paths.fault(path) if isinstance(path, str) else "is no text"
        if fault:
            self.refuse(f"names {shown(path)}, which {fault}")
        else:
            self.files = tuple(sorted({*self.files, str(path)}))

    def join(self, joiner: str, pattern: object, key: str = "") -> None:
        """Have lines become records: `joiner` is one of `forms.JOINERS`."""
        if self._is_pattern(pattern, key):
            self.multiline = f"{joiner}:{pattern}"

    def keep(self, pattern: object, key: str = "") -> None:
        """Keep only records that match."""
        self._filter(self.include, pattern, key)

    def drop(self, pattern: object, key: str = "") -> None:
        """Leave out records that match."""
        self._filter(self.exclude, pattern, key)

    def form(self) -> forms.Form:
        """What it came to."""
        return forms.Form(
            self.files, self.parser, self.multiline, tuple(self.include), tuple(self.exclude)
        )

    def _filter(self, patterns: list[str], pattern: object, key: str) -> None:
        if len(self.include) + len(self.exclude) >= forms.MAX_FILTERS:
            self.refuse(f"has over {forms.MAX_FILTERS} patterns that leave lines out", key)
        elif self._is_pattern(pattern, key):
            patterns.append(str(pattern))

    def _is_pattern(self, pattern: object, key: str) -> bool:
        fault = forms.pattern_fault(pattern) if isinstance(pattern, str) else "is no text"
        if fault:
            self.refuse(f"has {shown(pattern)}, which {fault}", key)
        return not fault
