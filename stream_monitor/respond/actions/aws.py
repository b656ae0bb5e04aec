"""What actions on AWS share: a client for each call, and what becomes of its errors."""

import json
from abc import abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, ParamValidationError, ReadTimeoutError
from botocore.loaders import Loader, create_loader
from botocore.parsers import ResponseParserError

from stream_monitor.alert.alert import Alert
from stream_monitor.respond.actions.base import DRY_MAX, SAID_MAX, WAIT_MAX_S, Ready, seconds
from stream_monitor.respond.call import Call, Refused, Retriable

_CONNECT_S: Final = 5.0
"""Longest wait for a connection."""
_AGAIN: Final = frozenset(
    {
        "ExecutionLimitExceeded",
        "ExpiredToken",
        "ExpiredTokenException",
        "LimitExceededException",
        "RequestExpired",
        "RequestLimitExceeded",
        "RequestTimeout",
        "RequestTimeoutException",
        "SlowDown",
        "TooManyRequestsException",
    }
)
"""Errors of status 4xx that pass, beside all that are called throttling."""


class AwsAction(Ready):
    """Credentials are those that boto3 finds: environment, files, the role of the machine, container or pod.

    boto3 tries each call once: how often and when to try again is the responder's affair.
    """

    service: ClassVar[str]
    operation: ClassVar[str]

    region: str | None = None
    """Default: what boto3 finds."""
    endpoint_url: str | None = None
    """Default: AWS' own."""

    @abstractmethod
    def parameters(self, alert: Alert, call: Call) -> Mapping[str, Any]:
        """What the operation is given. Errors: Refused."""

    @abstractmethod
    def told(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """What is worth recording of an answer. Errors: Refused, Retriable."""

    def known(self, code: str) -> Mapping[str, Any] | None:
        """The result, where an error says that an earlier attempt did it; None: it does not."""
        return None

    def __call__(self, alert: Alert, call: Call) -> Mapping[str, Any]:
        """Ask for it. Errors: Refused, Retriable."""
        given = self.parameters(alert, call)
        if call.dry_run:
            return {"would_send": [self.hidden(json.dumps(given, default=_text), DRY_MAX)]}
        wait_s = min(call.remaining_s(), WAIT_MAX_S)
        operation = getattr(self._client(wait_s), self.operation)
        try:
            answer = operation(**given)
            return self.told(answer) | {"request_id": answer["ResponseMetadata"]["RequestId"]}  # all that AWS answers has one
        except ClientError as error:
            return self._failed(error)
        except ParamValidationError as error:
            raise Refused(f"{self.service}: {str(error)[:SAID_MAX]}") from None
        except ReadTimeoutError:
            raise Retriable(f"{self.service} did not answer within {wait_s:.1f} s") from None
        except (ConnectionError, HTTPClientError) as error:
            raise Retriable(f"{self.service} cannot be reached: {type(error).__name__}") from None
        except (AttributeError, KeyError, TypeError, ValueError, ResponseParserError):  # boto3's parsers trust what they read
            raise Retriable(f"{self.service}: the answer is not that of AWS") from None
        except BotoCoreError as error:
            raise Retriable(f"{self.service}: {str(error)[:SAID_MAX]}") from None

    def _client(self, wait_s: float) -> Any:
        once = Config(connect_timeout=min(wait_s, _CONNECT_S), read_timeout=wait_s, retries={"total_max_attempts": 1})
        try:
            return _session().client(self.service, region_name=self.region, endpoint_url=self.endpoint_url, config=once)
        except (BotoCoreError, ValueError) as error:
            raise Refused(f"{self.service}: {str(error)[:SAID_MAX]}") from None

    def _failed(self, error: ClientError) -> Mapping[str, Any]:
        said, about = error.response["Error"], error.response["ResponseMetadata"]
        code, status = said.get("Code", ""), about.get("HTTPStatusCode", 0)
        if (done := self.known(code)) is not None:
            return done
        sentence = f"{self.service} answered {status} {code}: {self.hidden(said.get('Message') or '')}"[:SAID_MAX]
        if status >= 500 or status in (408, 425, 429) or code in _AGAIN or "throttl" in code.lower():
            raise Retriable(sentence, seconds(about.get("HTTPHeaders", {}).get("retry-after")))
        raise Refused(f"{self.service} answers with a redirect: look at region and endpoint_url" if status < 400 else sentence)


def _session() -> boto3.session.Session:
    """A session of its own for each call, since credentials may change; what AWS looks like is read once."""
    inner = botocore.session.get_session()
    inner.register_component("data_loader", _descriptions())
    return boto3.session.Session(botocore_session=inner)


@cache
def _descriptions() -> Loader:
    return create_loader()


def message(alert: Alert, call: Call) -> str:
    """The alert and the key of its repetitions, as JSON: `{"idempotency_key": …, "alert": {…}}`."""
    return f'{{"idempotency_key":{json.dumps(call.idempotency_key)},"alert":{alert.to_json().decode()}}}'


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
