"""What a ready action is: its config, which can be called."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from stream_monitor.alert.alert import Alert
from stream_monitor.respond.call import Call


class ReadyAction(BaseModel, ABC):
    """A ready action: its fields are what `with:` holds in the config, and the arguments in Python. One file each in `respond.actions`.

    Secrets are `pydantic.SecretStr`: neither logs nor results show them. takes_dry_run: whether it wants to be called in a dry run.
    has_end: whether it opens something outside that must be closed; then it is told of every publication unless the config names statuses.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True, hide_input_in_errors=True)
    takes_dry_run: ClassVar[bool] = False
    has_end: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, alert: Alert, call: Call) -> Mapping[str, Any] | Awaitable[Mapping[str, Any] | None] | None:
        """Do it; the result is put on record. Errors: Refused (do not try again); any other is tried again."""
