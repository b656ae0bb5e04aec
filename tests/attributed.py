"""Events whose model says how much each feature counted, drawn from a seed."""

from typing import Any, Final

import numpy as np

from tests.property.pipeline_world import START_MS

MINUTE_MS: Final = 60_000
PER_WINDOW: Final = 240
WEIGHTS: Final = {"income": 4.0, "debt": 2.0, "age": 1.0, "tenure": 0.5, "region": 0.2}
"""How much each feature counts: the mean size of its attributions is in this proportion."""
SWAPPED: Final = {"income": 0.2, "debt": 0.5, "age": 1.0, "tenure": 2.0, "region": 4.0}


def events(windows: int, seed: int, swapped: range = range(0), unit: float = 0.01) -> list[dict[str, Any]]:
    """Steady events of a minute's windows; in those of `swapped` the same inputs and answers rest on other features.

    unit: of the attributions, which are signed.
    """
    random = np.random.default_rng(seed)
    found = []
    for number in range(windows * PER_WINDOW):
        window = number // PER_WINDOW
        weights = SWAPPED if window in swapped else WEIGHTS
        features = {name: float(random.normal()) for name in WEIGHTS if name != "region"} | {"region": "nsew"[random.integers(4)]}
        found.append(
            {
                "event_id": f"e{number}",
                "model": "loan",
                "time": START_MS + window * MINUTE_MS + number % PER_WINDOW * MINUTE_MS // PER_WINDOW,
                "features": features,
                "prediction": {"score": float(random.random())},
                "attributions": {name: float(unit * weight * random.normal()) for name, weight in weights.items()},
            }
        )
    return found
