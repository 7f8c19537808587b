from __future__ import annotations

import re
from importlib.resources import files

import pytest

from icemap.products.pages.glossary import MARK, WORDS, explained

PAGES = ("boreholes", "comparison", "predictors", "report", "verification")


def page(body: str) -> str:
    return f"<html><title>CRPS</title><body>{body}{MARK}</body></html>"


def test_the_first_mention_is_linked_and_only_what_is_mentioned_is_listed():
    html = explained(page("<p>The CRPS, and the CRPS.</p><th>Winkler score</th>"))
    assert html.count('href="#word-crps"') == 1
    assert '<p>The <a class="word" href="#word-crps">CRPS</a>, and the CRPS.</p>' in html
    assert re.findall(r'<dt id="([^"]+)">', html) == ["word-crps", "word-winkler-score"]
    assert "<title>CRPS</title>" in html


def test_links_scripts_and_attributes_stay_as_they_are():
    kept = (
        '<img alt="CRPS"><a href="x">CRPS</a><script>if (a < b) "CRPS";</script>'
        "<td>CRPS</td><h1>CRPS</h1>"
    )
    assert explained(page(kept)) == page(kept).replace(MARK, "")
    assert "word-crps" in explained(page(kept + "<p>CRPS</p>"))


def test_parts_of_words_are_not_mentions():
    assert "word-" not in explained(page("<p>CRPSS, remembers, PITs</p>"))


def test_links_and_lines_belong_together():
    text = ". ".join(re.sub(r"\(.*\)", "", word.term) for word in WORDS)
    html = explained(page(f"<p>{text}. skill against climatology. coverage of 95 %</p>"))
    linked = re.findall(r'href="#([^"]+)"', html)
    assert sorted(linked) == sorted(re.findall(r'<dt id="([^"]+)">', html))
    assert len(linked) == len(set(linked)) > 20


@pytest.mark.parametrize("name", PAGES)
def test_every_page_explains_its_words_prints_and_has_one_typeface(name):
    html = files("icemap.products.pages").joinpath(f"{name}.html").read_text(encoding="utf-8")
    assert MARK in html
    assert '{% include "style.css" %}' in html
    assert not re.search(r"(Georgia|Charter|system-ui|Arial)", html)
    style = files("icemap.products.pages").joinpath("style.css").read_text(encoding="utf-8")
    assert "size: A4" in style
    assert "@media print" in style
