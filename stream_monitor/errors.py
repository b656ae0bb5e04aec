"""Every exception of the project, one tree.

```
StreamMonitorError
├── UserError             the input is wrong; the command line prints one sentence and exits 2
│   ├── ConfigError       monitor.yaml: names file and field, and says what to write instead
│   ├── BaselineError     a baseline file or its training data
│   └── InputError        a file of events, a missing path, a flag
└── RunError              something failed while running; exit 1
    ├── CodecError        bytes on one of our own topics are not what we wrote
    ├── ActionError           an action did not do what it was asked; `respond` says whether it is tried again
    ├── VersionError      they are, but another version of this program wrote them; nothing of them may be skipped
    └── BrokerError
        ├── Retriable     nothing happened; call again
        ├── Abortable     this transaction is lost: abort, rewind, begin again
        ├── Fenced        another producer has our transactional id, or the group has moved on without us
        └── Fatal         the client cannot go on; leave the process
```

A message that cannot become an event is not an exception: it is a `capture.Reject`.
"""


class StreamMonitorError(Exception):
    """Root of the tree; `str()` of it is one sentence for a person."""


class UserError(StreamMonitorError):
    """The user's input is wrong; the sentence says what to write instead."""


class ConfigError(UserError):
    """A config file that cannot be used."""


class BaselineError(UserError):
    """A baseline file, or training data, that cannot be used."""


class InputError(UserError):
    """A file of events or a flag that cannot be used."""


class RunError(StreamMonitorError):
    """A failure while running."""


class CodecError(RunError):
    """Bytes that are not a record of ours: wrong magic, version, checksum or size."""


class ActionError(RunError):
    """An action about an alert failed."""


class VersionError(RunError):
    """A record of ours that a program of another version wrote, and this one cannot read: it must stop, lest the record be lost."""


class BrokerError(RunError):
    """A failure of the broker or of our session with it."""


class Retriable(BrokerError):
    """The call had no effect and may be repeated."""


class Abortable(BrokerError):
    """The open transaction cannot commit: abort it, rewind to the committed offsets, begin again."""


class Fenced(BrokerError):
    """Another producer took over our transactional id, or our transaction timed out: a new member is needed."""


class Fatal(BrokerError):
    """The client is beyond repair; the process must leave."""
