"""The API's description, OpenAPI 3.1."""

from typing import Any, Final

_VERSION: Final = {"name": "version", "in": "query", "schema": {"type": "string"}, "description": "where it has a baseline of its own"}
_SEGMENT: Final = {"name": "segment", "in": "query", "schema": {"type": "string"}, "description": "one of `segments`; empty: the whole"}
_SPAN: Final = {
    "type": ["object", "null"],
    "properties": {"start": {"type": "string"}, "end": {"type": "string"}, "events": {"type": "integer"}},
}
_NUMBER: Final = {"type": ["number", "null"]}
_TEXT: Final = {"type": ["string", "null"]}
_SILENT: Final = {**_TEXT, "description": "since when no event came, where that is a whole window or more; null: they come"}


def document() -> dict[str, Any]:
    """The whole description."""
    model = _path("model")
    return {
        "openapi": "3.1.0",
        "info": {"title": "stream-monitor", "version": "1", "description": "What one worker's models look like now. Read-only."},
        "paths": {
            "/api/v1/models": _get(
                "Every model of this worker, the worst first, and the names of those that are others'.",
                [],
                {"models": _list("Model"), "others": _array({"model": {"type": "string"}, "version": _TEXT})},
            ),
            "/api/v1/models/{model}": _get(
                "One model: its columns, those that moved furthest first.",
                [model, _VERSION, *_SEARCH, *_SPANNED, _SEGMENT],
                None,
                "ModelPage",
            ),
            "/api/v1/models/{model}/figures": _get(
                "What is watched of all events together: quality, bias, concept drift, operations, others.",
                [model, _VERSION, _SEGMENT],
                None,
                "Figures",
            ),
            "/api/v1/models/{model}/features/{feature}": _get("One column.", [model, _path("feature"), _VERSION], None, "Feature"),
            "/api/v1/alerts": _get(
                "Alerts of this worker's models, newest publication first.",
                [{"name": "model", "in": "query", "schema": {"type": "string"}}, *_SPANNED],
                {"alerts": _list("Alert"), "found": {"type": "integer"}},
            ),
            "/api/v1/workers": _get("All workers of the deployment, as Kafka's groups know them.", [], None, "Workers"),
        },
        "components": {"schemas": _schemas(), "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


_SEARCH: Final = [
    {"name": "search", "in": "query", "schema": {"type": "string"}, "description": "columns whose names hold this"},
    {
        "name": "page",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1},
        "description": "of `limit` columns each, in place of offset",
    },
]
_SPANNED: Final = [
    {"name": "offset", "in": "query", "schema": {"type": "integer", "minimum": 0}, "description": "rows that are passed over"},
    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}, "description": "rows that are given"},
]


def _schemas() -> dict[str, Any]:
    model = {
        "model": {"type": "string"},
        "version": _TEXT,
        "state": {"enum": ["critical", "warning", "info", "ok", "waiting", "no_data", "behind"]},
        "silent_since": _SILENT,
        "firing": {"type": "array", "items": {"type": "object"}},
        "columns": {"type": "integer"},
        "window": _SPAN,
        "watermark": _TEXT,
        "watermark_delay_s": _NUMBER,
        "baseline_id": {"type": "string"},
    }
    column = {"feature": {"type": "string"}, "state": _TEXT, "detector": _TEXT, "ratio": _NUMBER, "score": _NUMBER, "threshold": _NUMBER}
    share = {"bin": {"type": "string"}, "baseline": {"type": "number"}, "window": {"type": "number"}}
    point = {"end": {"type": "string"}, "score": _NUMBER, "threshold": _NUMBER}
    feature = {
        "model": {"type": "string"},
        "version": _TEXT,
        "feature": {"type": "string"},
        "silent_since": _SILENT,
        "window": _SPAN,
        "bins": _array(share),
        "detectors": {"type": "object", "additionalProperties": _array(point)},
        "alerts": _list("Alert"),
    }
    page = {
        "features": _array(column),
        "found": {"type": "integer"},
        "page": {"type": "integer"},
        "pages": {"type": "integer"},
        "alerts": _list("Alert"),
        "alerts_found": {"type": "integer"},
    }
    return {
        "Model": _object(model),
        "ModelPage": _object({**model, **page}),
        "Feature": _object(feature),
        "Figures": _object(_figures(point)),
        "Workers": _object(_workers()),
        "Alert": {
            "type": "object",
            "description": "As on the alerts topic, and `held`.",
            "required": ["alert_id", "status", "severity", "model", "held"],
            "properties": {"held": {**_TEXT, "description": "why a rule lets nobody be told of it, in words"}},
        },
    }


def _figures(point: dict[str, Any]) -> dict[str, Any]:
    texts, flag = {name: {"type": "string"} for name in ("metric", "title", "status")}, {"type": "boolean"}
    about = {"type": "object", "description": "a class, or nothing", "additionalProperties": {"type": "string"}}
    numbers = dict.fromkeys(("value", "low", "high", "baseline"), _NUMBER)
    measured = {
        **texts,
        **numbers,
        "events": {"type": "integer"},
        "is_bad": {**flag, "description": "the whole interval is, and was judged"},
    }
    figure = {**measured, "about": about, "constant": _NUMBER, "threshold": _NUMBER, "is_bad_below": flag}
    labels = {"labelled": {"type": "integer"}, "coverage": _NUMBER, "coverage_min": _NUMBER, "is_balanced": flag, "delay_p50_s": _NUMBER}
    quality = {
        "state": {"enum": ["waiting", "no_labels", "too_few", "incomplete", "judged"]},
        "window": {**_SPAN, "description": "the last whose labels may be judged"},
        "age_s": _NUMBER,
        "labels": _optional(labels),
        "alpha": {**_NUMBER, "description": "intervals miss the truth so often"},
        "figures": _array(figure),
        "estimated_window": _SPAN,
        "estimated": _array(figure),
        "metric": {"type": "string", "description": "of both histories"},
        "history": _array(point),
        "estimated_history": _array(point),
    }
    group = {"facet": {"type": "string"}, "group": {"type": "string"}, "against": _TEXT, "allowed_low": _NUMBER, "allowed_high": _NUMBER}
    change = {"detector": {"type": "string"}, "title": {"type": "string"}, "changes": {"type": "integer"}, "last": _TEXT}
    level = {"detector": {"type": "string"}, "title": {"type": "string"}, "state": _TEXT}
    level |= {"value": _NUMBER, "threshold": _NUMBER, "is_bad_below": {**flag, "description": "of the threshold; else above it"}}
    code = {"code": _TEXT, "calls": {"type": "integer"}, "ratio": {"type": "number"}}
    levels = _array({**level, "history": _array(point)})
    return {
        "model": {"type": "string"},
        "version": _TEXT,
        "segment": {"type": "string"},
        "silent_since": _SILENT,
        "segments": {"type": "array", "items": {"type": "string"}},
        "segments_found": {"type": "integer"},
        "quality": _optional(quality),
        "bias": {**_array({**measured, **group, "window": _SPAN}), "type": ["array", "null"]},
        "concept": _optional({"figures": _array(figure), "detectors": _array({**change, "value": _NUMBER, "threshold": _NUMBER})}),
        "operations": _optional({"levels": levels, "errors": _array(code)}),
        "others": _array({"cause": {"type": "string"}, **level, "history": _array(point)}),
    }


def _optional(properties: dict[str, Any]) -> dict[str, Any]:
    return {**_object(properties), "type": ["object", "null"]}


def _workers() -> dict[str, Any]:
    numbers = {"type": "array", "items": {"type": "integer"}}
    share = {"role": {"type": "string"}, "topic": {"type": "string"}, "partitions": numbers, "lag": {"type": "integer"}}
    model = {"model": {"type": "string"}, "version": _TEXT, "watermark": _TEXT, "watermark_delay_s": _NUMBER}
    worker = {
        "instance": {"type": "string"},
        "is_this": {"type": "boolean"},
        "is_here": {"type": "boolean", "description": "false: it was seen within the last hour, and has left or been silent for too long"},
        "host": _TEXT,
        "roles": {"type": "array", "items": {"type": "string"}},
        "shares": _array(share),
        "models": _array(model),
        "last_heard": {"type": "string"},
    }
    return {
        "at": _TEXT,
        "problem": {**_TEXT, "description": "why Kafka did not tell; the rest is then of `at`, or empty"},
        "is_settled": {"type": "boolean", "description": "false while partitions are being shared out anew"},
        "workers": _array(worker),
        "unowned": _array(share),
        "unowned_models": _array(model),
        "topics": _array(share),
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": sorted(properties), "properties": properties, "additionalProperties": False}


def _array(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _object(properties)}


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _get(summary: str, parameters: list[Any], properties: dict[str, Any] | None, schema: str = "") -> dict[str, Any]:
    content = _object(properties) if properties is not None else {"$ref": f"#/components/schemas/{schema}"}
    found = {"description": "found", "content": {"application/json": {"schema": content}}}
    answers = {"200": found, "401": {"description": "no token, or a wrong one"}, "404": {"description": "not one of this worker's"}}
    return {"get": {"summary": summary, "parameters": parameters, "responses": answers}}
