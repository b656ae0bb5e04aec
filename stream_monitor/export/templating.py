"""HTML templates: everything that is put in is text and nothing else, unless it is a picture of ours."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def templates() -> Environment:
    """A new environment over `export/templates`; a name that is not given is an error."""
    loader = PackageLoader("stream_monitor.export", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def number(value: float | None) -> str:
    """Three significant digits, whole from a thousand on; a dash for none."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if 1_000 <= abs(value) < 1e12 else f"{value:.3g}"


def moment(text: str | None) -> str:
    """A time in UTC, to the second; a dash for none."""
    return "-" if text is None else text[:19].replace("T", " ")
