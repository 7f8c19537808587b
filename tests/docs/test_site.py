"""The documentation site is built without a warning, its links lead somewhere, and looking at it
asks nobody else.
"""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
# Elements that a browser fetches when it shows a page, and by which attribute.
FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """Links, anchors and what a browser fetches, of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in FETCHED and FETCHED[tag] in given:
            self.fetched.append(given[FETCHED[tag]])


def build(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going"]
    places = ["-c", str(source / "docs"), "-d", str(out / "doctrees"), str(source)]
    return subprocess.run(
        [*command, *places, str(out / "site")], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("myst_nb", reason="the site needs icemap[docs]")
    pytest.importorskip("pydata_sphinx_theme", reason="the site needs icemap[docs]")
    out = tmp_path_factory.mktemp("docs")
    done = build(ROOT, out)
    assert (done.returncode, done.stderr) == (0, "")
    return out / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.parts}


def test_every_page_is_there(pages: dict[Path, Page], site: Path) -> None:
    sources = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    wanted = {site / path.relative_to(ROOT).with_suffix(".html") for path in sources}
    assert len(wanted) > 20
    assert wanted <= set(pages)


def test_links_lead_somewhere(pages: dict[Path, Page]) -> None:
    lost = []
    for path, page in pages.items():
        for link in (*page.links, *page.fetched):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[there].anchors if there in pages else set()
            if not there.exists() or (parts.fragment and parts.fragment not in anchors):
                lost.append(f"{path.name}: {link}")
    assert lost == []


def test_looking_at_it_asks_nobody_else(pages: dict[Path, Page], site: Path) -> None:
    asked = {
        f"{path.name}: {url}"
        for path, page in pages.items()
        for url in page.fetched
        if urlsplit(url).netloc
    }
    styles = {
        f"{path.name}: {url}"
        for path in site.rglob("*.css")
        for url in re.findall(
            r"(?:url\(|@import\s+)[\"']?((?:https?:)?//[^\"')\s]+)", path.read_text("utf-8")
        )
    }
    assert asked | styles == set()


def test_links_of_the_readme_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [re.sub(r"\s+", " ", link) for link in re.findall(r"\]\(([^)]+)\)", text)]
    inner = [urlsplit(link) for link in links if "://" not in link]
    assert len(inner) > 15
    for link in inner:
        there = ROOT / link.path
        assert there.exists(), link.path
        if link.fragment:
            headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}
            assert link.fragment in slugs, link


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
