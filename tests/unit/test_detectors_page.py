"""docs/detectors.md names every detector, with the default threshold that the code has."""

import re
from math import inf
from pathlib import Path

import pytest

from stream_monitor.detect.registry import LOSS, NAMES, OUTCOMES, SEQUENTIAL, meaning_of

PAGE = (Path(__file__).parents[2] / "docs" / "detectors.md").read_text()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {*SEQUENTIAL, *LOSS, *OUTCOMES}])
def test_every_detector_has_a_row_with_its_default(name: str) -> None:
    (row,) = re.findall(rf"^\| `{name}` \|.*$", PAGE, re.MULTILINE)
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)]
    threshold = meaning_of(name).default_threshold
    assert ("none" if threshold == inf else f"{threshold:g}") in cells


@pytest.mark.parametrize("name", LOSS)
def test_those_of_the_loss_are_told_with_theirs(name: str) -> None:
    assert f"`{name}`" in PAGE
    assert f"default of {meaning_of(name).default_threshold:g}: [concept drift]" in PAGE


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_sequential_detectors_are_told_with_theirs(name: str) -> None:
    assert f"`{name}`" in PAGE
    assert f"default {meaning_of(name).default_threshold:g}, a shift" in PAGE
