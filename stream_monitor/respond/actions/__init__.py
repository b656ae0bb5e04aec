"""Actions that are ready, by name; each is one file, and loaded when it is asked for.

Read `base` (settings and secrets), `text` (what is said of an alert), `http` (what becomes of an answer), then any action.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

from stream_monitor.errors import ConfigError
from stream_monitor.respond.ready import ReadyAction

_PLACES: Final = MappingProxyType(
    {
        "webhook": "webhook:Webhook",
        "alertmanager": "alertmanager:Alertmanager",
        "slack": "slack:Slack",
        "pagerduty": "pagerduty:PagerDuty",
        "opsgenie": "opsgenie:Opsgenie",
        "email": "email:Email",
        "notify": "notify:Notify",
        "kafka": "kafka_topic:KafkaTopic",
        "subprocess": "program:Program",
        "sns": "sns:Sns",
        "lambda": "aws_lambda:Lambda",
        "step_functions": "step_functions:StepFunctions",
        "eventbridge": "eventbridge:EventBridge",
        "cloudwatch": "cloudwatch:CloudWatch",
        "investigate": "investigate:Investigate",
        "kubernetes_job": "kubernetes_job:KubernetesJob",
    }
)
_EXTRAS: Final = {"aiohttp": "respond", "apprise": "notify", "boto3": "aws", "botocore": "aws"}
"""Which extra of this package brings which other."""


class _Ready(Mapping[str, type[ReadyAction]]):
    def __getitem__(self, name: str) -> type[ReadyAction]:
        module, _, action = _PLACES[name].partition(":")
        try:
            found: type[ReadyAction] = getattr(import_module(f"{__name__}.{module}"), action)
        except ModuleNotFoundError as error:
            extra = _EXTRAS.get(error.name or "")
            if extra is None:
                raise
            raise ConfigError(f"the action {name} needs {error.name}: pip install 'stream-monitor[{extra}]'") from None
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


READY: Final[Mapping[str, type[ReadyAction]]] = _Ready()
"""Name -> class of the action. Errors: KeyError; ConfigError that names what to install."""
