"""How much each feature counted in each prediction, SHAP or similar: columns beside those of the values.

They are read only where a schema asks for them, and cost nothing where no event has any.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Attributed = Mapping[str, NDArray[np.float64]]
"""Of the features that some of n events attribute anything to: float64[n], finite, NaN where an event does not or its value is none."""

NOTHING: Final[Attributed] = {}


def attributions_of(values: Attributed) -> Attributed:
    """From columns of n numbers: NaN and infinity are no attribution; names without any are left out."""
    held = {name: np.isfinite(each) for name, each in values.items()}
    return {name: np.where(held[name], each, np.nan) for name, each in values.items() if held[name].any()}


def joined_attributions(parts: Sequence[Attributed], sizes: Sequence[int]) -> Attributed:
    """Those of all parts, one after the other; sizes: how many events each part has."""
    names = dict.fromkeys(name for part in parts for name in part)
    nothing = {size: np.full(size, np.nan) for size in set(sizes)} if names else {}
    return {name: np.concatenate([part.get(name, nothing[size]) for part, size in zip(parts, sizes, strict=True)]) for name in names}
