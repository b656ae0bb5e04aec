"""Labels meet their events: rows of both, columnar, by the hash of the event's id; see `Join`."""
