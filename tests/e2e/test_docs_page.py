"""GET /docs in a real browser: the page is drawn, and sends requests to the service only."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from dev import servers
from tests.required import REQUIRED, missing

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # for the browser itself too
    "--enable-logging=stderr",
    "--window-size=1200,1600",
    "--virtual-time-budget=20000",  # in the page's own time; it ends when nothing is left to do
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")  # dev/setup installs the first
NO_BROWSER = servers.ROOT / "var/no-browser"  # set up without a way to get one
LONG_FILES = ("/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/openapi.json")
SCREENSHOT = servers.ROOT / "var/test/docs.png"


@dataclass(frozen=True)
class Visit:
    """A visit of a page: its final elements, its console, and the URLs that it requested."""

    html: str
    console: str
    urls: list[str]

    @property
    def paths(self) -> list[str]:
        """The paths of those at the service."""
        return [urlsplit(url).path for url in self.urls if not url.startswith("data:")]


@pytest.fixture(scope="module")
def web():
    nowhere = servers.free_port()  # the page needs neither Redis nor an engine
    with servers.service(
        redis_url=f"redis://{servers.LOOPBACK}:{nowhere}/0",
        docker_host=f"tcp://{servers.LOOPBACK}:{nowhere}",
        access_keys="key:secret",
    ) as server:
        yield server


@pytest.fixture(scope="module")
def visit(web: servers.Service) -> Visit:
    SCREENSHOT.parent.mkdir(parents=True, exist_ok=True)
    SCREENSHOT.unlink(missing_ok=True)
    with servers.folder() as place:
        return browse(f"{web.url}/docs", place)


def browse(url: str, place: Path, screenshot: Path = SCREENSHOT) -> Visit:
    """Open a page in a browser with an empty profile, and draw it."""
    requests = place / "requests.json"
    own = (
        f"--user-data-dir={place}/profile",
        f"--log-net-log={requests}",
        f"--screenshot={screenshot}",
        "--dump-dom",
    )
    environment = {"PATH": servers.SEARCH_PATH, "HOME": str(place), "TMPDIR": str(place)}
    browser = subprocess.run(
        [find_browser(), *FLAGS, *own, url],
        env=environment,
        cwd=place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert browser.returncode == 0, browser.stderr
    return Visit(browser.stdout, browser.stderr, requested_urls(requests, url))


def find_browser(no_browser: Path = NO_BROWSER) -> str:
    """Return the browser that FUNCSVC_BROWSER names, or else the first that starts."""
    given = os.environ.get("FUNCSVC_BROWSER")
    names = [given] if given else BROWSERS
    found = [path for name in names if (path := shutil.which(name)) and starts(path)]
    if not found and no_browser.exists():
        pytest.skip("no browser can be installed here; FUNCSVC_BROWSER can name one")
    if not found:
        missing(f"no browser is installed: {BROWSERS[0]} is wanted")
    return found[0]


def starts(browser: str) -> bool:
    """Tell whether it is a browser; Ubuntu has a program of the name that asks for a snap."""
    asked = [browser, "--version"]
    return subprocess.run(asked, capture_output=True, timeout=60, check=False).returncode == 0


def requested_urls(net_log: Path, page: str) -> list[str]:
    """Return the page's own URL, and every URL that the page requested.

    Requests of the browser itself, such as for updates, have no initiator.
    """
    starts = [event.get("params", {}) for event in json.loads(net_log.read_text())["events"]]
    asked = [start for start in starts if "url" in start and "initiator" in start]
    return [
        ask["url"] for ask in asked if ask["initiator"] != "not an origin" or ask["url"] == page
    ]


def test_page_is_left_out_without_a_browser_only_where_set_up_found_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FUNCSVC_BROWSER", str(tmp_path / "nothing"))
    told = tmp_path / "no-browser"
    with pytest.raises(pytest.fail.Exception if REQUIRED else pytest.skip.Exception):
        find_browser(told)
    told.touch()
    with pytest.raises(pytest.skip.Exception):
        find_browser(told)


def test_docs_page_shows_every_operation(web: servers.Service, visit: Visit) -> None:
    document = web.request("GET", "/openapi.json").json
    documented = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item.keys() - {"parameters"}
    }
    shown = re.findall(
        r'class="opblock-summary-method">(\w+)<.*?data-path="([^"]+)"', visit.html, re.DOTALL
    )
    assert {(method, unescape(path)) for method, path in shown} == documented
    assert documented


def test_docs_page_shows_the_objects_and_the_way_to_give_a_key(visit: Visit) -> None:
    assert "A self-hosted function service" in visit.html
    for name in ("NewFunc", "ChangedFunc", "Func", "Error"):
        assert re.search(rf">{name}<", visit.html)
    assert ">Authorize<" in visit.html


def test_docs_page_asks_no_other_host(web: servers.Service, visit: Visit) -> None:
    asked = [urlsplit(url) for url in visit.urls]
    assert {f"{url.scheme}://{url.netloc}" for url in asked if url.scheme != "data"} == {web.url}
    assert {*visit.paths} == {"/docs", "/docs/start.js", *LONG_FILES}


def test_docs_page_breaks_no_rule_of_its_own_policy(visit: Visit) -> None:
    assert "CONSOLE" not in visit.console


def test_docs_page_is_drawn(visit: Visit) -> None:
    assert SCREENSHOT.read_bytes().startswith(b"\x89PNG")
    assert SCREENSHOT.stat().st_size > 50_000  # an empty page has about 10,000 bytes


@contextlib.contextmanager
def refusing(web: servers.Service, times: int) -> Iterator[str]:
    """Run a server that passes requests on, but first refuses each long file so many times."""
    to_refuse = dict.fromkeys(LONG_FILES, times)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = web.request("GET", self.path)
            is_refused = to_refuse.get(self.path, 0) > 0
            to_refuse[self.path] = to_refuse.get(self.path, 0) - 1
            self.send_response(503 if is_refused else answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.end_headers()
            self.wfile.write(b"" if is_refused else answer.body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer((servers.LOOPBACK, 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{servers.LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()


def test_docs_page_asks_again_for_a_file_that_was_refused(
    web: servers.Service, tmp_path: Path
) -> None:
    with refusing(web, times=1) as url, servers.folder() as place:
        shown = browse(f"{url}/docs", place, tmp_path / "drawn.png")
    assert "A self-hosted function service" in shown.html
    assert {path: shown.paths.count(path) for path in LONG_FILES} == dict.fromkeys(LONG_FILES, 2)


def test_docs_page_says_so_where_a_file_is_refused_again_and_again(
    web: servers.Service, tmp_path: Path
) -> None:
    with refusing(web, times=1000) as url, servers.folder() as place:
        shown = browse(f"{url}/docs", place, tmp_path / "drawn.png")
    assert "load this page again in a few seconds" in shown.html
    assert 2 < shown.paths.count(LONG_FILES[0]) < 20
