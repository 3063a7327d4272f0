"""What is written can be read, in light and in dark: contrast as WCAG 2.2 counts it."""

import importlib.resources
import re

import pytest

ENOUGH = 4.5
"""Level AA, of text."""

PAIRS = [
    *(
        (ink, ground)
        for ink in ("text", "muted")
        for ground in ("bg", "surface", "sunken", "hover")
    ),
    *((ink, ground) for ink in ("accent", "bad") for ground in ("bg", "surface", "raised")),
    *((f"a{number}", "surface") for number in range(1, 8)),
    ("accent", "accent-soft"),
    ("accent-text", "accent"),
    ("text", "accent-soft"),
    ("muted", "accent-soft"),
    ("bad", "bad-soft"),
    ("warn", "warn-soft"),
    ("good", "surface"),
    ("mark-text", "mark"),
]


def colours() -> dict[str, dict[str, str]]:
    text = (importlib.resources.files("loghub_ingest.console") / "assets/base.css").read_text()
    light, dark = re.findall(r":root(?:\[data-theme=\"dark\"\])? \{(.*?)\n\}", text, re.DOTALL)
    named = re.compile(r"--([\w-]+): (#[0-9a-f]{6})")
    return {"light": dict(named.findall(light)), "dark": dict(named.findall(dark))}


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(theme):
    found = colours()[theme]
    weak = {}
    for ink, ground in PAIRS:
        high, low = sorted((luminance(found[ink]), luminance(found[ground])), reverse=True)
        ratio = (high + 0.05) / (low + 0.05)
        if ratio < ENOUGH:
            weak[ink, ground] = round(ratio, 2)
    assert weak == {}
