"""What a LogPipeline may ask of the way to its destination, and what a refusal says."""

import pytest

from loghub_agent import errors
from loghub_agent.config import delivering, reading


def read(document):
    section = reading.Section(document, subject="LogPipeline lines", path="spec.delivery")
    return delivering.read(section)


def test_defaults_are_nothing_for_the_core():
    assert delivering.read(None) is None
    assert read({}) is None
    assert read({"guarantee": "AtLeastOnce", "priority": "Normal", "maxBytesPerSecond": 0}) is None


def test_choices_are_spelled_as_the_core_spells_them():
    document = {"guarantee": "ExactlyOnce", "spool": {"maxBytes": 2**30, "whenFull": "DropOldest"}}
    assert read(document) == document
    rest = {"maxBytesPerSecond": 1000, "shardBy": ["_pod_name_"], "priority": "Low"}
    assert read(rest) == rest
    assert read({"spool": {"maxBytes": 2**30}}) == {
        "spool": {"maxBytes": 2**30, "whenFull": "Block"}
    }


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"guarantee": "AtMostOnce"}, r"spec\.delivery\.guarantee is 'AtMostOnce'"),
        ({"spool": {}}, r"spec\.delivery\.spool\.maxBytes is missing"),
        ({"spool": {"maxBytes": 1000}}, r"spool\.maxBytes is 1000; it must lie between"),
        ({"spool": {"maxBytes": 2**30, "whenFull": "DropNewest"}}, r"spool\.whenFull"),
        ({"spool": {"maxBytes": 2**30, "maxFiles": 1}}, r"spool\.maxFiles is not a field"),
        ({"maxBytesPerSecond": -1}, r"spec\.delivery\.maxBytesPerSecond is -1"),
        ({"priority": "Urgent"}, r"spec\.delivery\.priority is 'Urgent'"),
        ({"guarantee": "ExactlyOnce", "priority": "High"}, r"delivery\.priority goes with"),
        ({"guarantee": "ExactlyOnce", "shardBy": ["app"]}, r"delivery\.shardBy goes with"),
        ({"speed": 1}, r"spec\.delivery\.speed is not a field"),
    ],
)
def test_what_is_wrong_is_refused_with_its_field(document, words):
    with pytest.raises(errors.RefusedError, match=words):
        read(document)
