"""What of an address is shown, and what a record keeps."""

import logging

import pytest

from icemap import addresses
from icemap.addresses import hide_in_logs, recorded, remember, remember_value, shown


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(addresses, "_values", {})
    monkeypatch.setattr(addresses, "_written", {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://ada:word@host/dem.tif", "https://host/dem.tif"),
        ("https://ada:w@rd@host:8080/a b.tif", "https://host:8080/a b.tif"),
        ("https://ghp_123@host/dem.tif", "https://host/dem.tif"),
        ("https://ada:w/o?r#d@host/dem.tif", "https://host/dem.tif"),
        (
            "ftp://ada:word@host/dem.tif, sftp://ada:word@host/x",
            "ftp://host/dem.tif, sftp://host/x",
        ),
        ("(https://host/dem.tif?X-Amz-Signature=1&x=2): it", "(https://host/dem.tif): it"),
        ("url=URL('https://host/dem.tif?sig=1')", "url=URL('https://host/dem.tif')"),
        ("zip://a.csv::https://ada:word@host/a.zip?sig=1", "zip://a.csv::https://host/a.zip"),
        ("/vsicurl/https://ada:word@host/dem.tif?sig=1 is", "/vsicurl/https://host/dem.tif is"),
        ("/vsicurl?url=https%3A%2F%2Fada%3Aword%40host is", "/vsicurl is"),
        ("https:/ada:word@host/dem.tif", "https:/host/dem.tif"),
        ("dem.tif?opens=1, band 1: IReadBlock failed", "dem.tif, band 1: IReadBlock failed"),
        (
            "with url: /x and Signature=12ab%3D; password=word",
            "with url: /x and Signature=...; password=...",
        ),
        ("https://host/a?next=https://host/b?sig=1.", "https://host/a."),
        # Nothing is hidden in these.
        ("s3://bucket/a@b/c", "s3://bucket/a@b/c"),
        ("http://host:8080/p@v1", "http://host:8080/p@v1"),
        ("tcp://10.0.0.1:8786: check", "tcp://10.0.0.1:8786: check"),
        ("Is it? ada@example.org = yes", "Is it? ada@example.org = yes"),
    ],
)
def test_what_is_shown(text, expected):
    assert shown(text) == expected
    assert shown(expected) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://ada:word@host/dem.tif?sig=1", "https://host/dem.tif"),
        ("https://host/get?file=a.nc&sig=1&download=1", "https://host/get?file=a.nc&download=1"),
        ("https://host/a.nc?t={env(ICEMAP_T)}", "https://host/a.nc?t={env(ICEMAP_T)}"),
        ("https://ada:{env(ICEMAP_T)}@host/a.nc", "https://ada:{env(ICEMAP_T)}@host/a.nc"),
        ("https://ada:{env(ICEMAP_T)}x@host/a.nc", "https://host/a.nc"),
        ("/data/a?b.tif", "/data/a?b.tif"),
    ],
)
def test_what_is_recorded(url, expected):
    record = {"sources": [{"url": url, "citation": "https://doi.org/x?a=1"}], "n": 1, "none": None}
    kept = {
        "sources": [{"url": expected, "citation": "https://doi.org/x?a=1"}],
        "n": 1,
        "none": None,
    }
    assert recorded(record) == kept


def test_values_of_the_environment_are_known_wherever_they_are():
    remember_value("ICEMAP_T", "pl/anted+t")
    remember("https://host/pl/anted+t/*.tif", "https://host/{env(ICEMAP_T)}/*.tif")
    assert shown("no https://host/pl/anted+t/a.tif") == "no https://host/{env(ICEMAP_T)}/a.tif"
    assert shown("GET /pl%2Fanted%2Bt/a.tif failed") == "GET /{env(ICEMAP_T)}/a.tif failed"
    assert recorded("https://host/pl/anted+t/a.tif") == "https://host/{env(ICEMAP_T)}/a.tif"


@pytest.mark.parametrize("value", ["/data/rasters", "s3://bucket/rasters"])
def test_a_folder_of_the_environment_is_shown_and_recorded_as_written(value):
    remember_value("ICEMAP_DATA", value)
    remember(f"{value}/a.tif", "{env(ICEMAP_DATA)}/a.tif")
    assert shown(f"no {value}/a.tif") == f"no {value}/a.tif"
    assert recorded(f"{value}/a.tif") == "{env(ICEMAP_DATA)}/a.tif"


def test_short_values_change_no_sentence_but_their_address():
    remember_value("ICEMAP_N", "2")
    remember("s3://bucket/v2/a.tif", "s3://bucket/v{env(ICEMAP_N)}/a.tif")
    assert shown("2 of s3://bucket/v2/a.tif") == "2 of s3://bucket/v{env(ICEMAP_N)}/a.tif"


def test_long_texts_take_no_time():
    for piece in ("a:", "://", "@", "x?y=", "https://a:b"):
        shown(piece * 50_000)


def test_what_libraries_log_is_said_as_icemap_says_it(caplog):
    hide_in_logs()
    hide_in_logs()
    try:
        raise OSError("https://ada:word@host/x")
    except OSError:
        logging.getLogger("some.library").exception(
            "HTTP 404 for %s", "https://host/dem.tif?sig=word"
        )
    assert "HTTP 404 for https://host/dem.tif" in caplog.text
    assert "word" not in caplog.text
