"""Conditions and Events use the documented reasons, and the service's answers become them."""

import pathlib
import re

import pytest

import loghub_operator
from loghub_operator import reasons
from slswire import errors

SOURCES = pathlib.Path(loghub_operator.__file__).parent
GIVEN = re.compile(
    r'(?:NotReadyError\(|conditions\.(?:true|false)\(\s*"\w+",|reason=|'
    r"events\.(?:warn|tell)\(\s*kinds\.\w+, found,)\s*\"([A-Z]\w+)\""
)


def test_every_reason_in_the_source_is_documented():
    text = "".join(path.read_text() for path in SOURCES.rglob("*.py"))
    given = set(GIVEN.findall(text))
    assert len(given) > 15
    assert given <= reasons.ABOUT.keys()


@pytest.mark.parametrize("code", [*errors.CATALOGUE, "x\ny", "", "Some.Other"])
def test_every_answer_of_a_service_has_a_documented_reason(code):
    fault = errors.SlsError(code, "words", status=400, request_id="R1")
    assert reasons.of(fault) in reasons.ABOUT
    assert reasons.sentence(fault).endswith("(request R1)")


def test_too_many_requests_are_throttling_whatever_the_code():
    assert reasons.of(errors.SlsError("Any", "words", status=429)) == "Throttled"
