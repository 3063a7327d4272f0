"""What mkdocs cannot do by itself; it calls the functions named `on_…` (mkdocs.yml, `hooks`).

- Pages of the reference come from the programs (`reference_pages`), so none can be out of date.
- A link out of docs/ to a file of the repository stays a link on GitHub and becomes a page here:
  the file, or for a folder all files in it, is brought into the site.
- The navigation keeps what exists, and pages that nobody listed come last.
"""

import pathlib
import posixpath
import re
import sys
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT: Final = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import reference_pages  # noqa: E402 - mkdocs loads this file by its path

_LINK: Final = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)\s]*)?\))")
_FENCE: Final = re.compile(r"(?ms)^( *)(```|~~~).*?^\1\2[ ]*$|`[^`\n]+`")
MAX_FILES: Final = 50
"""Of one linked folder; a folder with more is no example."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the reference, and every file that a page links to."""
    for name, text in reference_pages.pages().items():
        files.append(File.generated(config, f"reference/{name}", content=text))
    for section in config.nav or []:
        for uri in (each for pages in section.values() for each in pages):
            if (ROOT / uri).is_file() and uri not in files.src_uris:
                text = (ROOT / uri).read_text(encoding="utf-8")
                files.append(File.generated(config, uri, content=text))
    waiting = [file for file in files if file.is_documentation_page()]
    while waiting:
        page = waiting.pop()
        for target in _outward(page):
            added = _brought(config, target)
            if added is not None and added.src_uri not in files.src_uris:
                files.append(added)
                if added.is_documentation_page():
                    waiting.append(added)
    return files


def on_page_markdown(markdown: str, *, page: Any, files: Files, **_: Any) -> str:
    """Let links to files of the repository point to where they are in the site."""
    at = page.file

    def moved(found: re.Match[str]) -> str:
        head, link, tail = found.groups()
        target = _target(at, link)
        if target is None:
            return found.group(0)
        uri = _uri(target)
        if uri not in files.src_uris:
            return found.group(0)
        return head + posixpath.relpath(uri, posixpath.dirname(at.src_uri) or ".") + tail

    return _outside_code(markdown, lambda text: _LINK.sub(moved, text))


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Keep the pages of the navigation that exist; list the others at its end."""
    docs = pathlib.Path(config.docs_dir)
    there = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    there |= {f"reference/{name}" for name in reference_pages.pages()}
    listed: set[str] = set()
    for section in config.nav or []:
        for title, pages in section.items():
            # Files of the repository itself are brought in by links.
            section[title] = [each for each in pages if each in there or (ROOT / each).is_file()]
            listed |= set(section[title])
    runbooks = sorted(each for each in there if each.startswith("runbooks/"))
    resources = sorted(each for each in there - listed if each.startswith("resources/"))
    assert config.nav is not None  # noqa: S101 - mkdocs.yml has one
    config.nav.append({"Runbooks": runbooks})
    if rest := sorted(there - listed - {*runbooks, *resources}):
        config.nav.append({"Further": rest})
    if resources:
        config.nav.append({"Resources": resources})
    return config


def _outward(page: File) -> list[pathlib.Path]:
    found = []
    text = _FENCE.sub("", page.content_string)
    for _, link, _ in _LINK.findall(text):
        target = _target(page, link)
        if target is not None:
            found.append(target)
    return found


def _target(page: File, link: str) -> pathlib.Path | None:
    """The file of the repository that a link means; nothing where it stays within docs/."""
    here = ROOT / "docs" / page.src_uri
    if not here.exists():
        # A page that was brought in has its links from where it lies in the repository.
        here = ROOT / page.src_uri
        if page.src_uri.endswith("/index.md") and here.parent.is_dir():
            return None
    target = pathlib.Path(posixpath.normpath(here.parent.as_posix() + "/" + link))
    if not target.exists() or not target.is_relative_to(ROOT):
        return None
    brought = not (ROOT / "docs" / page.src_uri).exists()
    if target.is_relative_to(ROOT / "docs") and not brought:
        return None
    return target


def _uri(target: pathlib.Path) -> str:
    """Where a file or folder of the repository is in the site."""
    if target.is_relative_to(ROOT / "docs"):
        return target.relative_to(ROOT / "docs").as_posix()
    inside = target.relative_to(ROOT).as_posix()
    if target.is_dir():
        readme = target / "README.md"
        return f"{inside}/README.md" if readme.is_file() else f"{inside}/index.md"
    return inside if target.suffix == ".md" else f"{inside}.md"


def _brought(config: MkDocsConfig, target: pathlib.Path) -> File | None:
    if target.is_relative_to(ROOT / "docs"):
        return None
    uri = _uri(target)
    if (ROOT / uri).is_file():
        text = (ROOT / uri).read_text(encoding="utf-8")
    elif target.is_dir():
        shown = sorted(path for path in target.rglob("*") if path.is_file())[:MAX_FILES]
        text = f"# {target.relative_to(ROOT)}\n\n" + "\n".join(map(_shown, shown))
    else:
        text = f"# {target.relative_to(ROOT)}\n\n" + _shown(target)
    return File.generated(config, uri, content=text)


def _shown(path: pathlib.Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return f"## {path.name}\n\n(no text)\n"
    language = path.suffix.lstrip(".")
    return f"## {path.name}\n\n````{language}\n{text.rstrip()}\n````\n"


def _outside_code(markdown: str, change: Any) -> str:
    parts, at = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [change(markdown[at : fence.start()]), fence.group(0)]
        at = fence.end()
    return "".join([*parts, change(markdown[at:])])
