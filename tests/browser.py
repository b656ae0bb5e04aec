"""A real browser, driven as a person would: Chromium by its chromedriver, which speaks the W3C's WebDriver, JSON over HTTP."""

import base64
import json
import os
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any, Self

import pytest

REQUIRED = "STREAM_MONITOR_REQUIRE_CHROMIUM"
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""WebDriver's key of a reference to an element."""
TAB, ENTER = "\ue004", "\ue007"
"""As WebDriver writes keys."""
_ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1000,800"]
_NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
"""Whatever leaves this host fails, and is seen in the console."""


def programs() -> tuple[str, str]:
    """Chromium and its driver; skips, or fails where they are required."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if chromium is not None and driver is not None:
        return chromium, driver
    sentence = "chromium and chromedriver are not on the path: install Debian's chromium and chromium-driver"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


class Browser:
    """One window; a context manager."""

    def __init__(self, folder: Path) -> None:
        chromium, driver = programs()
        self._log = (folder / "chromedriver.log").open("wb+")
        self._driver = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=self._log, text=True)
        assert self._driver.stdout is not None
        port = next(found[1] for line in self._driver.stdout if (found := re.search(r"successfully on port (\d+)", line)))
        options = {"binary": chromium, "args": [*_ARGUMENTS, _NOWHERE, f"--user-data-dir={folder / 'profile'}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self._url = f"http://127.0.0.1:{port}/session"
        self._url += "/" + self._call("POST", "", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._call("DELETE", "")
        self._driver.terminate()
        self._driver.wait(30)
        assert self._driver.stdout is not None
        self._driver.stdout.close()
        self._log.close()

    def open(self, url: str) -> None:
        """Type an address."""
        self._call("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self._call("GET", "/url"))

    @property
    def source(self) -> str:
        """The page's tree as it is now."""
        return str(self._call("GET", "/source"))

    def click(self, text: str, within: str = "body") -> None:
        """Click the first link or button that reads so; WebDriver waits for the page that follows. Errors: HTTPError where none is seen."""
        xpath = f"//{within}//*[self::a or self::button][normalize-space()='{text}']"
        element = self._call("POST", "/element", {"using": "xpath", "value": xpath})[_ELEMENT]
        self._call("POST", f"/element/{element}/click", {})

    def press(self, *keys: str) -> None:
        """Press keys, one after another, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def run(self, script: str) -> Any:
        """What a function body returns; the test's, not the page's: pages run none."""
        return self._call("POST", "/execute/sync", {"script": script, "args": []})

    def prefer(self, scheme: str) -> None:
        """Dark or light, as the reader's system would have it."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}})

    def resize(self, width: int, height: int) -> None:
        """The window, in pixels."""
        self._call("POST", "/window/rect", {"width": width, "height": height})

    def screenshot(self) -> bytes:
        """The window, as PNG."""
        return base64.b64decode(self._call("GET", "/screenshot"))

    def console(self) -> list[str]:
        """What was said since it was last asked."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """The addresses that pages asked for since it was last asked."""
        said = [json.loads(entry["message"])["message"] for entry in self._call("POST", "/se/log", {"type": "performance"})]
        return [each["params"]["request"]["url"] for each in said if each["method"] == "Network.requestWillBeSent"]

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]
