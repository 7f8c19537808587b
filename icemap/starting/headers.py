"""Which column of a table is which, by its header."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from icemap.boreholes.readers.layer_columns import ALIASES, KNOWN, is_elevation_of_end
from icemap.boreholes.site_rows import is_where
from icemap.boreholes.table_units import canonical_unit, header_unit, split_header

# How tables name what icemap needs, in small letters without units; English, German, French,
# Russian.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "site": (
        *("bh", "bh_id", "hole", "hole_id", "borehole_id", "borehole_name", "boring", "boring_id"),
        *("core_id", "profile_id", "profile_name", "pedon_id", "pedon_key", "site_id", "site_name"),
        *("point_id", "station_id", "station", "core", "profile", "pedon", "name", "event"),
        *("point", "well", "well_id", "bohrung", "bohrloch", "standort", "forage", "sondage"),
        *("site_code", "plot", "plot_id", "location", "location_id", "sample_site", "code"),
        *("скважина", "钻孔编号", "钻孔", "孔号", "编号"),
    ),
    "longitude": (
        *("lng", "decimallongitude", "x_wgs84", "laenge", "länge", "längengrad", "laengengrad"),
        *("долгота", "经度"),
    ),
    "latitude": ("decimallatitude", "y_wgs84", "breite", "breitengrad", "широта", "纬度"),
    "top": (
        *("depth_top", "top_depth", "depth_from", "from", "from_depth", "upper", "upper_depth"),
        *("depth_upper", "depth_min", "min_depth", "von", "oben", "oberkante", "start_depth"),
        *("depth_start", "layer_top", "sample_top", "top_of_layer", "от", "de", "mindepth"),
        *("顶深", "顶板深度", "起始深度"),
    ),
    "base": (
        *("depth_bottom", "bottom_depth", "depth_base", "base_depth", "depth_to", "to", "to_depth"),
        *("lower", "lower_depth", "depth_lower", "depth_max", "max_depth", "bis", "unten"),
        *("unterkante", "end_depth", "depth_end", "layer_base", "layer_bottom", "sample_bottom"),
        *("до", "à", "maxdepth", "sample_base", "底深", "底板深度", "终止深度"),
    ),
    "depth": ("depth_range", "depth_interval", "interval", "teufe", "tiefe", "глубина", "深度"),
    "permafrost_table": ("permafrost_table_depth", "depth_to_permafrost", "permafrost_depth"),
    "reported_vic": (
        *("ice_content", "volumetric_ice_content", "volumetric_ice", "vol_ice", "ice_vol"),
        *("vol_ice_content", "ice_volume", "ground_ice", "ground_ice_content", "ice", "eisgehalt"),
        *("volumetrischer_eisgehalt", "teneur_en_glace", "льдистость", "объемная_льдистость"),
        *("ice_con", "ice_con_vol", "teneur_en_glace_volumique", "体积含冰量"),
    ),
    "gravimetric_water": (
        *("влажность_суммарная", "суммарная_влажность", "含水率", "含水量"),
        *("gwc", "gmc", "gravimetric_water_content", "gravimetric_moisture", "moisture"),
        *("water_content", "moisture_content", "gravimetric_moisture_content", "wassergehalt"),
        *("mc", "natural_moisture_content", "natural_water_content"),
    ),
    "dry_density": (
        *("dry_unit_weight", "dry_bulk_density", "bulk_density_dry", "dbd", "trockendichte"),
        "плотность_скелета",
        "干密度",
    ),
    "frozen_bulk_density": ("frozen_density", "bulk_density_frozen"),
    "volumetric_water": ("vwc", "vmc", "volumetric_water_content", "volumetric_moisture"),
    "excess_ice": ("excess_ice_content", "eic"),
    "visible_ice": ("visible_ice_content",),
}
# Words besides those for a coordinate that leave it one: Long_E, lat_dd, decimal_longitude_wgs84.
OF_DEGREES = {
    *("e", "w", "n", "s", "east", "west", "north", "south"),
    *("dd", "dec", "deg", "degree", "degrees", "decimal", "wgs84", "nad83", "nad27", "gps", "site"),
}
# Words for the upper and the lower end of a layer, by which two names differ.
TOPS = {"top", "from", "upper", "min", "start", "von", "oben", "от", "de", "haut"}
BASES = {"base", "bottom", "bot", "to", "lower", "max", "end", "bis", "unten", "до", "à", "bas"}
LAYERS = ("top", "base")
TEMPERATURE_NAMES = {"degc": "degC", "k": "K", "degf": "degF"}


def bare_header(header: str) -> tuple[str, str | None]:
    """A header in small letters without its unit, and the unit that it says."""
    name, bracket = split_header(header)
    unit, in_brackets = header_unit(header)
    if unit is not None and not in_brackets:
        name = name[: -len(unit)]
    said = unit if unit else bracket
    if said is not None:
        # "magt_c" is in degC.
        said = TEMPERATURE_NAMES.get(canonical_unit(said), said)
    return re.sub(r"[^\w]+", "_", name.strip().lower()).strip("_"), said


def named_columns(headers: Sequence[str]) -> dict[str, str]:
    """Which column is which: icemap's name to the table's header; the first that fits."""
    found: dict[str, str] = {}
    bare = {header: _without_direction(bare_header(header)[0]) for header in headers}
    for header, name in bare.items():
        own = ALIASES.get(name, name)
        if own in KNOWN:
            found.setdefault(own, header)
    for name, words in SYNONYMS.items():
        for word in words:
            fits = [header for header in headers if bare[header] == word]
            if fits and name not in found and fits[0] not in found.values():
                found[name] = fits[0]
    if not set(LAYERS) <= found.keys():
        found |= _ends(bare)
    if set(LAYERS) <= found.keys():
        # That of the sample, or of the hole.
        found.pop("depth", None)
        return found
    for header, name in bare.items():
        if is_where(name.replace("_", " ")) and not _words(name) & (TOPS | BASES):
            found.setdefault("depth", header)
    return found


def _ends(bare: Mapping[str, str]) -> dict[str, str]:
    """Top and base by two names that differ in these words alone, such as hzn_top and hzn_bot."""
    places = {
        header: name
        for header, name in bare.items()
        if is_where(name.replace("_", " ")) or is_elevation_of_end(header)
    }
    for top, name in places.items():
        for base, other in places.items():
            above, below = _words(name) - _words(other), _words(other) - _words(name)
            if len(above) == len(below) == 1 and above <= TOPS and below <= BASES:
                return {"top": top, "base": base}
    return {}


def _words(name: str) -> set[str]:
    return set(name.split("_"))


def _without_direction(name: str) -> str:
    """``long`` of ``long_e``; a name that is no coordinate as it is."""
    plain = "_".join(word for word in name.split("_") if word not in OF_DEGREES)
    own = ALIASES.get(plain, plain)
    coordinate = any(own == axis or own in SYNONYMS[axis] for axis in ("longitude", "latitude"))
    return plain if coordinate else name
