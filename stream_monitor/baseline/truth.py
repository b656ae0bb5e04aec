"""What the training data says of the model's quality: its labels and predictions, counted as live ones are."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # numba is loaded only where events are counted
    from stream_monitor.profile.outcome import OutcomeLayout


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The outcome of all training rows, with a label or without. vector: int64[N] on the layout, its delays all 0.

    The layout has groups only where it has a positive class: then all segments of the baseline, in its order.
    """

    layout: "OutcomeLayout"
    vector: NDArray[np.int64]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Truth) and self.layout == other.layout and np.array_equal(self.vector, other.vector)

    __hash__ = None  # type: ignore[assignment]  # an array inside

    @property
    def positive_class(self) -> str | None:
        """None: there is none."""
        return None if self.layout.positive is None else self.layout.classes[self.layout.positive]

    def on(self, layout: "OutcomeLayout") -> NDArray[np.int64]:
        """The same counts on a layout that differs in its groups only (some of these, in any order), may leave out the scores, and may
        count answers by features' bins, which are not here.

        Errors: ValueError that says what does not fit.
        """
        mine = self.layout
        for name in ("task", "classes", "positive", "center", "scale", "edges"):
            held, wanted = getattr(mine, name), getattr(layout, name)
            if held != wanted:
                raise ValueError(f"the training data was compared with its labels by {name} {held!r}, not {wanted!r}")
        if layout.scored and not mine.scored:
            raise ValueError("the training data was compared with its labels without scores")
        places = {group: place for place, group in enumerate(mine.groups)}
        for group in layout.groups:
            if group not in places:
                raise ValueError(f"the training data was compared with its labels without the group {group.facet}={group.value}")
        vector = layout.empty()
        for name in layout.shapes.keys() - {"answers"}:
            part = mine.part(self.vector, name)
            layout.part(vector, name)[:] = part[[places[group] for group in layout.groups]] if name == "groups" else part
        return vector
