"""What a run is failed with."""


class Violation(AssertionError):
    """What must never happen, did."""
