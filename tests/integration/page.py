"""A page of the documentation as a reader meets it: fenced blocks, in order, and what an invisible comment says of the next.

The words after a fence say what becomes of the block:

- `sh`: commands that end well; `sh fails`: whose last one ends with status 2; `sh runs`: one that goes on until the page's end or Ctrl-C.
- `text`: what the commands before it print, in order, `…` standing for anything. Text that follows no commands is a picture.
- `yaml NAME`, `python NAME`: a file to write; `wrong`: that the config refuses. Without a name: a fragment, or a program to run.
- `json`: a capture, a label, an alert or a row of windows.
- `<!-- said by: COMMAND -->`: the next text is of a command that goes on; `<!-- Ctrl-C: COMMAND -->`: press it there.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FENCED: Final = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^ *```$|^<!-- (?P<directive>said by|Ctrl-C): (?P<command>.*?) -->$", re.M | re.S
)
SPAN: Final = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, or a comment that directs: then `language` is `said by` or `Ctrl-C`, and the text a command."""

    page: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block, without comments; one may go on after a backslash."""
        lines = re.sub(r"\\\n\s*", "", self.text).splitlines()
        return [bare for line in lines if (bare := re.sub(r"(^|\s)#\s.*$", "", line).strip())]


def blocks(page: Path) -> Iterator[Block]:
    """All of a page, from the top."""
    text = page.read_text(encoding="utf-8")
    for found in FENCED.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found["directive"]:
            yield Block(page, line, found["directive"], (), found["command"])
        else:
            language, *words = found["info"].split() or [""]
            yield Block(page, line, language, tuple(words), textwrap.dedent(found["text"]))


def spans(page: Path) -> Iterator[str]:
    """What stands between single backquotes in running text."""
    prose = FENCED.sub("", page.read_text(encoding="utf-8"))
    yield from (found[1] for found in SPAN.finditer(prose))


def pattern(text: str) -> re.Pattern[str]:
    """What output has to hold to be `text`: the same words, blanks as they come, anything at a `…`."""
    pieces = (r"\s+".join(map(re.escape, piece.split())) for piece in text.split("…"))
    return re.compile(r".*?".join(pieces), re.S)
