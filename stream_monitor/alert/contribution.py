"""A group's elements and their shares of the group's change, which sum to 1.

Source: Bhagwan et al., "Adtributor: Revenue Debugging in Advertising Systems", NSDI 2014: an element's share of the change is its
"explanatory power", and its "surprise" a term of the Jensen-Shannon divergence between the shares expected and found.
"""

from collections.abc import Iterable, Sequence
from math import fsum, log2
from typing import Final, NamedTuple

import msgspec

from stream_monitor.detect.report import rounded

SHOWN_MAX: Final = 10
"""Of each group; their shares then sum to less than 1."""


class Contribution(msgspec.Struct, frozen=True, omit_defaults=True):
    """One element of a group."""

    name: str
    """The bin, the segment (`region = north`), version, feature or source."""
    share: float
    """Of the group's whole change, 0 to 1; 0 for all where nothing has changed."""
    score: float | None = None
    """What the alert's detector says of it."""
    before: float | None = None
    """Its share before: of values in the baseline, or of events in earlier windows."""
    now: float | None = None
    """The same in the window."""


Group = Sequence[Contribution]


class Row(NamedTuple):
    """One window score of the alert's window. amount: what it carries of the change, at least 0."""

    name: str
    amount: float
    score: float | None
    events: int


def surprise(before: float, now: float) -> float:
    """A term of the Jensen-Shannon divergence, base 2: (p log2(p / m) + q log2(q / m)) / 2, m = (p + q) / 2; at least 0, 0 for p = q.

    before, now: shares in [0, 1]. Over all elements of two distributions the terms sum to their divergence, at most 1.
    """
    middle = (before + now) / 2
    return max(0.0, sum(share * log2(share / middle) for share in (before, now) if share > 0) / 2)


def shared(rows: Iterable[Row]) -> tuple[Contribution, ...]:
    """The elements by their shares of all amounts."""
    return by_share(shares(list(rows)))


def shares(rows: Sequence[Row]) -> list[Contribution]:
    """The same in the rows' order; 0 for all where nothing has changed."""
    whole = fsum(row.amount for row in rows)
    return [Contribution(row.name, row.amount / whole if whole else 0.0, rounded(row.score)) for row in rows]


def ranked(contributions: Iterable[Contribution]) -> tuple[Contribution, ...]:
    """Amounts as shares of their sum."""
    found = list(contributions)
    whole = fsum(each.share for each in found)
    return by_share(msgspec.structs.replace(each, share=each.share / whole if whole else 0.0) for each in found)


def by_share(contributions: Iterable[Contribution]) -> tuple[Contribution, ...]:
    """By falling share; equal ones by name, so that the order of the rows does not matter."""
    return tuple(sorted(contributions, key=lambda each: (-each.share, each.name)))[:SHOWN_MAX]
