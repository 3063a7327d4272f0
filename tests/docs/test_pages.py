"""Every YAML block of the pages is valid by the models it is meant for, and every command by the
parser that would read it."""

import argparse
import itertools
import json
import pathlib
import re
import shlex
import sys
from collections.abc import Iterator

import jsonschema
import kubernetes_validate
import pydantic
import pytest
import yaml

from loghub_agent.config import plan
from loghub_operator.resources import crds
from stage import pages

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import reference_pages  # noqa: E402 - a tool, found by the line above

PAGES = pages.PAGES
KUBERNETES = "1.35"
MODELS = {kind.name: kind.spec for kind in crds.KINDS if kind.spec is not None}

KUBECTL = frozenset(
    (
        "annotate",
        "apply",
        "auth",
        "create",
        "delete",
        "describe",
        "diff",
        "edit",
        "exec",
        "explain",
        "get",
        "label",
        "logs",
        "patch",
        "port-forward",
        "rollout",
        "run",
        "scale",
        "top",
        "wait",
    )
)
HELM = frozenset(["install", "upgrade", "uninstall", "test", "rollback", "template", "lint", "get"])
OTHERS = frozenset(
    (
        "cat",
        "cd",
        "curl",
        "diff",
        "docker",
        "export",
        "grep",
        "jq",
        "kill",
        "ls",
        "mvn",
        "node",
        "npm",
        "openssl",
        "pip",
        "python3",
        "rm",
        "sleep",
        "source",
        "sudo",
        "systemctl",
        "tail",
    )
)


def blocks(*languages: str) -> Iterator[tuple[str, str]]:
    """Where, and the text of, each fenced block in one of the languages."""
    for each in pages.blocks():
        if each.language in languages:
            yield str(each), each.text


def check(document: dict) -> None:
    """Judge one YAML document.

    Raises:
        Exception: whatever the judge in question says.
    """
    kind, version = document.get("kind", ""), document.get("apiVersion", "")
    if kind == "LogPipeline":
        plan.resolve(document["spec"], name="it", namespace="", generation=1)
    elif version.startswith("loghub.dev/"):
        MODELS[kind].model_validate(document["spec"])
    elif kind:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    elif "initContainers" in document:
        check(_pod({"containers": [{"name": "app", "image": "app"}], **document}))
    elif set(document) <= {"metadata", "spec"}:
        pydantic.TypeAdapter(dict[str, object]).validate_python(document)
    else:
        _fragment(document)


def _fragment(document: dict) -> None:
    """A part of a spec, or values of the chart: whichever knows its keys judges it."""
    needed = {
        "LogConfig": {"logStoreRef": {"name": "store"}, "input": {"stdout": {}}},
        "LogStore": {"projectRef": {"name": "project"}},
        "LogProject": {},
        "CollectionAgent": {},
    }
    schema = json.loads((ROOT / "charts/loghub/values.schema.json").read_text())
    judges = [
        lambda kind=kind, least=least: MODELS[kind].model_validate({**least, **document})
        for kind, least in needed.items()
        if set(document) <= set(MODELS[kind].model_json_schema(by_alias=True)["properties"])
    ]
    faults = []
    for judge in (*judges, lambda: jsonschema.validate(document, schema)):
        try:
            judge()
        except (pydantic.ValidationError, jsonschema.ValidationError) as fault:
            faults.append(fault)
        else:
            return
    raise faults[0]


def _pod(spec: dict) -> dict:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": spec}


@pytest.mark.parametrize(
    ("where", "text"), list(blocks("yaml")), ids=lambda value: value.split("\n")[0]
)
def test_a_yaml_block_is_valid(where, text):
    documents = [each for each in yaml.safe_load_all(text) if each]
    assert documents, where
    for document in documents:
        if isinstance(document, dict):
            check(document)


@pytest.mark.parametrize(
    "document",
    [
        {"apiVersion": "loghub.dev/v1alpha1", "kind": "LogStore", "spec": {"retention": 1}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containrs": []}},
        {"parser": {"nginks": {}}},
        {"ingest": {"enabld": True}},
    ],
)
def test_a_misspelt_field_would_be_found(document):
    with pytest.raises(
        (pydantic.ValidationError, kubernetes_validate.ValidationError, jsonschema.ValidationError)
    ):
        check(document)


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command: lines that end with a backslash are joined, pipes divide."""
    joined = text.replace("\\\n", " ")
    for line in joined.splitlines():
        stripped = line.removeprefix("$ ").strip()
        if not stripped or stripped.startswith("#"):
            continue
        lexer = shlex.shlex(stripped, posix=True, punctuation_chars="|;&()<>")
        lexer.whitespace_split = True
        lexer.commenters = "#"
        words: list[str] = []
        to_file = False
        for word in lexer:
            if set(word) <= set("|;&()<>"):
                to_file = word in {">", ">>"}
                if not to_file:
                    yield from [words] if words else []
                    words = []
            elif not to_file:
                words.append(word)
        yield from [words] if words else []


def refused(parser: argparse.ArgumentParser, words: list[str]) -> str:
    """What the parser says to the words; empty where it takes them."""

    class RefusedError(Exception):
        pass

    def error(message: str) -> None:
        raise RefusedError(message)

    for each in _all(parser):
        each.error = error  # type: ignore[method-assign]
        each.exit = lambda status=0, message=None: error(message or "")  # type: ignore[method-assign]
    try:
        parser.parse_args(words)
    except RefusedError as fault:
        return "" if {"--help", "--version"} & set(words) else str(fault)
    return ""


def _all(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for _, each in reference_pages._subparsers(parser):
        yield from _all(each)


def fault_of(words: list[str]) -> str:
    """Why a command cannot be meant; empty where it can."""
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    program, rest = (words[0], words[1:]) if words else ("", [])
    if program == "kubectl":
        return _kubectl(rest)
    if program in ("loghub", "loghub-agent", "loghub-ingest", "loghub-operator"):
        return refused(reference_pages.parsers()[program], rest)
    if program == "helm":
        missing = [
            each for each in rest if each.startswith("charts/") and not (ROOT / each).exists()
        ]
        return f"no {missing}" if missing else "" if rest[0] in HELM else f"no helm {rest[0]}"
    if program == "make":
        targets = re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text())
        wanted = [each for each in rest if "=" not in each]
        return "".join(f"no target {each}" for each in wanted if each not in targets)
    local = (ROOT / program).is_file() or program.startswith((".venv/", "./"))
    return "" if not program or local or program in OTHERS else f"unknown program {program}"


def _kubectl(words: list[str]) -> str:
    while words and words[0] in ("-n", "--namespace", "--context"):
        words = words[2:]
    if words[0] == "loghub":
        return refused(reference_pages.parsers()["loghub"], words[1:])
    for flag, value in itertools.pairwise(words):
        # One without a folder was written by a command above it.
        if flag in {"-f", "-k"} and "/" in value and not (ROOT / value).exists():
            return f"no {value}"
    return "" if words[0] in KUBECTL else f"no kubectl {words[0]}"


@pytest.mark.parametrize(
    ("where", "text"), list(blocks("sh", "console", "bash")), ids=lambda value: value.split("\n")[0]
)
def test_a_command_is_taken_by_its_parser(where, text):
    for words in commands(text):
        assert not fault_of(words), (where, " ".join(words), fault_of(words))


def test_commands_in_tables_and_sentences_are_taken_too():
    found = 0
    for page in PAGES:
        text = re.sub(r"(?ms)^ *```.*?^ *```", "", page.read_text(encoding="utf-8"))
        for quoted in re.findall(r"`((?:kubectl loghub|loghub|kubectl|helm|make) [^`]+)`", text):
            if "…" in quoted or "..." in quoted or quoted.endswith("|"):
                continue
            plain = re.sub(r"<[^>]+>", "NAME", quoted.replace("\\|", "|").replace("\n", " "))
            for words in commands(plain):
                found += 1
                whole = fault_of(words)
                # A command's bare name, as in "`kubectl loghub explain` says".
                assert not whole or "are required" in whole, (page, quoted, whole)
    assert found > 20


@pytest.mark.parametrize(
    "line",
    [
        "kubectl loghub tial web",
        "helm instal x charts/loghub",
        "make dmo",
        "kubectl apply -f no/where",
        "loghub-ingest serve --dta x",
        "kubectl loghub logs web --since",
        "kubctl get pods",
    ],
)
def test_a_misspelt_command_would_be_found(line):
    [words] = commands(line)
    assert fault_of(words)


def test_every_block_of_the_pages_is_of_one_way_that_says_who_runs_it():
    found = list(pages.blocks())
    for each in found:
        way, _, reason = each.way.partition(",")
        assert way in pages.WAYS, f"{each}: put `<!-- test: WAY -->` above it ({each.way!r})"
        # What nobody runs has a reason of its own.
        assert way != "outside" or reason.strip(), each
        if way in {"apiserver", "cluster", "shop", "questions", "make"}:
            assert each.language == "sh", each
            assert each.commands, each
    fences = sum(
        line.strip().startswith("```")
        for page in pages.PAGES
        for line in page.read_text().splitlines()
    )
    assert fences == 2 * len(found), "a fenced block that the inventory does not see"


def test_each_way_has_the_test_that_it_names():
    for way, told in pages.WAYS.items():
        for path in re.findall(r"tests/[\w/]+(?:\.py)?", told):
            assert (ROOT / path).exists(), (way, path)
    outside = list(pages.blocks("outside"))
    assert len(outside) <= 2, "more commands that no test runs: find a way for them"


def test_what_pages_say_of_make_are_targets_of_the_makefile():
    listed = [words for each in pages.blocks("make") for words in each.commands]
    assert {words.split()[0] for words in listed} == {"make"}
    trying = re.search(r"(?m)^try:.*\n\t@\$\(PY\) (\S+)", (ROOT / "Makefile").read_text())
    assert trying is not None
    assert trying[1] == "tools/try_it.py"  # which tests/test_try.py runs
