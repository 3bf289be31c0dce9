"""The documentation site as a reader opens it from a disk: every link leads somewhere, and nothing asks a network."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.composed import ROOT

pytestmark = [
    pytest.mark.optional,
    pytest.mark.skipif(find_spec("zensical") is None, reason="needs the extra docs, which `make docs` installs"),
]
SITE = ROOT / "build" / "site"
LOADS = {("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Page(HTMLParser):
    """The anchors and the addresses of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors = set[str]()
        self.links = list[str]()
        self.loaded = list[str]()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            if (tag, name) in LOADS and value:
                self.loaded.append(value)
            if name in ("href", "src") and value:
                self.links.append(value)


@pytest.fixture(scope="module")
def pages() -> dict[Path, Page]:
    subprocess.run([sys.executable, "-m", "tools.pages"], cwd=ROOT, check=True)
    build = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {file: Page(file) for file in sorted(SITE.rglob("*.html"))}
    assert len(found) >= 40
    return found


def broken(file: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """The addresses of a page that lead to nothing in the site."""
    for link in pages[file].links:
        parts = urlsplit(link)
        if parts.scheme in ("http", "https", "mailto", "data") or not (parts.path or parts.fragment):
            continue
        there = (file.parent / unquote(parts.path)).resolve() if parts.path else file
        if not there.exists():
            yield link
        elif parts.fragment and there in pages and unquote(parts.fragment) not in pages[there].anchors:
            yield link


def test_every_link_leads_somewhere(pages: dict[Path, Page]) -> None:
    wrong = {file.name: list(broken(file, pages)) for file in pages if file.name != "404.html"}
    assert {name: links for name, links in wrong.items() if links} == {}


def test_the_api_is_there(pages: dict[Path, Page]) -> None:
    assert "sim.interface.simulate.simulate" in pages[SITE / "api" / "interface.html"].anchors
    assert "sim.theory.decay.adam_rate" in pages[SITE / "api" / "theory.html"].anchors


def test_no_page_loads_anything_from_elsewhere(pages: dict[Path, Page]) -> None:
    loaded = {address for page in pages.values() for address in page.loaded}
    assert {address for address in loaded if "//" in address} == set()
    for file in SITE.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", file.read_text(encoding="utf-8")), file


def asked(page: Path, folder: Path) -> set[str]:
    """The addresses in a network that a page asks for in Chromium. What Chromium itself asks for has no initiator."""
    assert CHROMIUM is not None
    log = folder / "net.json"
    command = [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}"]
    shown = [*command, "--virtual-time-budget=3000", "--dump-dom", page.as_uri()]
    done = subprocess.run(shown, capture_output=True, text=True, timeout=120)
    assert "</body>" in done.stdout
    events = [event.get("params", {}) for event in json.loads(log.read_text(encoding="utf-8"))["events"]]
    pages = [one["url"] for one in events if "url" in one and one.get("initiator", "not an origin") != "not an origin"]
    return {url for url in pages if url.startswith(("http", "ws"))}


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("name", ["index.html", "zh/verdicts.html", "api/interface.html"])
def test_chromium_asks_no_network(name: str, pages: dict[Path, Page], tmp_path: Path) -> None:
    assert SITE / name in pages
    assert asked(SITE / name, tmp_path) == set()


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_page_that_asks_a_network_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<body><img src="http://127.0.0.1:9/picture.png"></body>', encoding="utf-8")
    assert asked(page, tmp_path) == {"http://127.0.0.1:9/picture.png"}
