"""Any config, catalogue and table of sites ends in success or in one sentence: nothing else, and
soon.
"""

import copy
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from icemap import IcemapError
from icemap.boreholes.sites import read_sites
from icemap.catalog import load_sources
from icemap.config import load_config
from icemap.pipeline.input_check import member_problems
from icemap.predictors.checks import check_source

QUIET = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "phases": [Phase.generate, Phase.shrink],
}
MANY = int(os.environ.get("ICEMAP_FUZZ", "10000"))

CONFIG: dict[str, Any] = {
    "run": "run",
    "seed": 1,
    "title": "x",
    "grid": {"west": 100, "south": 60, "east": 140, "north": 76, "resolution": 1, "chunk": 16},
    "catalog": "catalog.yaml",
    "predictors": ["a", "b", "c"],
    "masks": [{"source": "m", "at_least": 0.1, "at_most": 2, "counts": "part"}],
    "target": {"name": "vic", "long_name": "ice", "unit": "%", "bounds": [0, 100]},
    "sites": {
        "table": "sites.csv",
        "value": "ice",
        "unit": "%",
        "id": "id",
        "longitude": "lon",
        "latitude": "lat",
        "missing": [-9999],
    },
    "ensemble": {
        "members": ["svr", "gam"],
        "replicates": 2,
        "folds": 3,
        "held_out": 0.1,
        "block_degrees": 10,
        "prior_strength": 1,
        "monotone": {"a": "rising"},
    },
    "verification": {"folds": 3, "places": 100, "competitors": [], "classes": [0, 50, 100]},
    "map": {"replicate_fields": True},
}
LAYERS = {"layers": [{"path": "layers.csv", "reader": "icemap"}], "thickness": 5, "grades": ["A"]}


def entry(**metadata: Any) -> dict[str, Any]:
    common = {"family": "topography", "long_name": "x", "unit": "1"}
    return {"kwargs": {"data": "{data(file)}"}, "metadata": {**common, **metadata}}


CATALOG: dict[str, Any] = {
    "version": 2,
    "data": {"file": {"kwargs": {"url": "a.tif"}, "metadata": {"licence": "x", "citation": "y"}}},
    "entries": {
        "a": entry(nodata=[-9999], scale=1, offset=0, valid_range=[-1e6, 1e6], fill_nearest=1),
        "b": entry(derived={"how": "slope", "of": ["d"]}),
        "c": entry(crs="EPSG:4326", variable="1", fill_value=0),
        "d": entry(unit="m"),
        "m": entry(),
    },
}
CATALOG["entries"]["b"]["kwargs"] = {}

WORDS = st.sampled_from(
    [
        *(
            "",
            ".",
            "..",
            "/",
            "a",
            "ice",
            "lat",
            "fraction",
            "svr",
            "-1",
            "0",
            "1e3",
            "nan",
            ".inf",
        ),
        *(
            "yes",
            "%",
            "m",
            "cm",
            "degC",
            "EPSG:3413",
            "slope",
            "tpi",
            "2020-01",
            "a: b",
            "é",
            "x" * 300,
        ),
        *("a\0b", "s3:/", "foo://x", "/vsizip/x.zip", "a.tif", "sites.csv", "*.tif"),
        *("{data(file)}", "{env(HOME)}", "{env(ICEMAP_X)}", "virtual-arctic:0", "virtual-arctic:x"),
        *("sklearn.linear_model.Ridge", "sklearn.isotonic.IsotonicRegression"),
        *("10 arcmin", "1 arcsec", "x deg"),
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    WORDS,
    st.text(max_size=8),
    st.integers(-(10**12), 10**12),
    st.sampled_from(
        [
            0,
            -1,
            1,
            2,
            2**31,
            2**32,
            2**63,
            10**30,
            1e-300,
            1e308,
            1e-5,
            0.5,
            float("nan"),
            float("inf"),
            float("-inf"),
        ]
    ),
    st.floats(),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=4),
    st.dictionaries(st.one_of(WORDS, st.integers(-2, 300)), SCALARS, max_size=3),
    # Made each time, because it is changed in place.
    st.builds(lambda: [[[]]]),
)


def paths(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in items:
        yield (*path, key)
        yield from paths(value, (*path, key))


@st.composite
def changed(draw: st.DrawFn, content: dict[str, Any]) -> dict[str, Any]:
    """Something replaced, removed or added, in one to three places."""
    content = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(list(paths(content)) or [("x",)]))
        part: Any = content
        for key in above:
            part = part[key]
        how = draw(st.integers(0, 5))
        if how == 0 and isinstance(part, dict):
            part.pop(last, None)
        elif how == 1 and isinstance(part, dict):
            part[draw(WORDS)] = draw(VALUES)
        else:
            part[last] = draw(VALUES)
    return content


CELLS = st.one_of(
    st.floats(-200, 200).map(lambda x: f"{x:.3g}"),
    st.sampled_from(
        [
            "",
            "-9999",
            "999",
            "1e20",
            "nan",
            "1.2 m",
            "3/4",
            "01/02",
            "<5",
            ">3",
            "1,5",
            "1,234",
            "12 W",
            "148 30 10 W",
            "x",
            '"',
            "inf",
            "#N/A",
            "é",
            "1e400",
        ]
    ),
    st.text(alphabet=st.characters(codec="utf-8"), max_size=5),
)
HEADERS = st.sampled_from(
    [
        "id",
        "lon",
        "lat",
        "ice",
        "ice [%]",
        "ice [m]",
        "ice_cm",
        "ice (fraction)",
        "Longitude (W)",
        "lon (W)",
        "lat [rad]",
        "lon [m]",
        "lon_dms",
        "lat_s",
        "x, y",
        "ice;",
        "",
        '"',
    ]
)
BYTES = st.one_of(
    st.tuples(
        st.lists(HEADERS, max_size=5).map(lambda more: ["id", "lon", "lat", "ice", *more]),
        st.lists(st.lists(CELLS, min_size=4, max_size=9), max_size=6),
        st.sampled_from([",", ";", "\t"]),
        st.sampled_from(["utf-8", "cp1252", "utf-16"]),
    ).map(
        lambda t: "\n".join(t[2].join(map(str, row)) for row in [t[0], *t[1]]).encode(
            t[3], "replace"
        )
    ),
    st.binary(max_size=80),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    options = {
        "crs": "EPSG:4326",
        "transform": rasterio.Affine(1, 0, 100, 0, -1, 76),
        "dtype": "float32",
    }
    with rasterio.open(
        folder / "a.tif", "w", driver="GTiff", height=16, width=40, count=1, **options
    ) as raster:
        raster.write(np.random.default_rng(0).random((1, 16, 40)).astype("f4"))
    return folder


def write_good(folder: Path) -> None:
    (folder / "sites.csv").write_text("id,lon,lat,ice\n1,110,70,20\n2,111,70,30\n")
    (folder / "layers.csv").write_text(
        "site,lon,lat,top [m],base [m],vic [%],permafrost_table [m]\n1,110,70,0,5,20,0.5\n"
    )
    (folder / "catalog.yaml").write_text(yaml.safe_dump(CATALOG))
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))


def attempt(folder: Path) -> None:
    """What a run does before its first chunk; one sentence is as good as success."""
    try:
        config = load_config(str(folder / "config.yaml"))
        names = dict.fromkeys([*config.predictors, *(mask.source for mask in config.masks)])
        for source in load_sources(config.catalog, list(names)).values():
            for problem in check_source(source, config.grid.grid).problems:
                require_sentence(problem)
        sites = read_sites(config).sites
        assert (sites["used"] == (sites["reason"] == "")).all()
        assert np.isfinite(sites.loc[sites["used"], ["lon", "lat", "value"]].to_numpy(float)).all()
        for problem in member_problems(config):
            require_sentence(problem)
    except IcemapError as error:
        require_sentence(str(error))


def require_sentence(text: str) -> None:
    assert text.strip(), "an error without words"
    for foreign in ("pydantic", "Input should", "validation error", "Traceback", "NoneType"):
        assert foreign not in text


def fuzz(folder: Path, count: int) -> None:
    @settings(max_examples=count, **QUIET)
    @given(changed(CONFIG), st.booleans())
    def config(content: dict[str, Any], layers: bool) -> None:
        if layers and "sites" in content:
            content = {**content, "boreholes": LAYERS}
            del content["sites"]
        write_good(folder)
        (folder / "config.yaml").write_text(
            yaml.safe_dump(content, allow_unicode=True), encoding="utf-8"
        )
        attempt(folder)

    @settings(max_examples=count, **QUIET)
    @given(changed(CATALOG))
    def catalog(content: dict[str, Any]) -> None:
        write_good(folder)
        (folder / "catalog.yaml").write_text(
            yaml.safe_dump(content, allow_unicode=True), encoding="utf-8"
        )
        attempt(folder)

    @settings(max_examples=count, **QUIET)
    @given(BYTES, st.sampled_from(["sites", "layers"]), st.sampled_from([None, [0, 100]]))
    def table(content: bytes, kind: str, bounds: list[float] | None) -> None:
        write_good(folder)
        (folder / f"{kind}.csv").write_bytes(content)
        settings_ = {**CONFIG, "target": {**CONFIG["target"], "bounds": bounds}}
        if kind == "layers":
            settings_ = {
                **{key: value for key, value in settings_.items() if key != "sites"},
                "boreholes": LAYERS,
            }
        (folder / "config.yaml").write_text(yaml.safe_dump(settings_))
        attempt(folder)

    @settings(max_examples=count, **QUIET)
    @given(
        st.one_of(
            st.binary(max_size=60),
            st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")),
        )
    )
    def text(content: bytes) -> None:
        write_good(folder)
        for name in ("config.yaml", "catalog.yaml"):
            (folder / name).write_bytes(content)
            attempt(folder)
            write_good(folder)

    for part in (config, catalog, table, text):
        part()


def test_the_good_project_is_good(folder: Path) -> None:
    write_good(folder)
    config = load_config(str(folder / "config.yaml"))
    for source in load_sources(config.catalog, [*config.predictors, "m"]).values():
        assert check_source(source, config.grid.grid).problems == ()
    assert read_sites(config).sites["used"].all()


@pytest.mark.hypothesis
def test_any_settings_and_tables_end_in_success_or_a_sentence(folder: Path) -> None:
    fuzz(folder, 30)


@pytest.mark.slow
@pytest.mark.hypothesis
def test_ten_thousand_settings_and_tables_end_in_success_or_a_sentence(folder: Path) -> None:
    fuzz(folder, MANY // 4)
