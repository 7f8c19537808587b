"""What files, and all files of a mosaic together, say of a band."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from icemap.errors import IcemapError
from icemap.predictors.cf_tags import MISSING, cf_tags, of_variable
from icemap.predictors.class_tables import names_together
from icemap.predictors.declared import (
    Declared,
    listed_codes,
    remarks_of,
    unadded_offset,
    unapplied_scale,
)
from icemap.predictors.disputes import Dispute, Heard
from icemap.predictors.months import Stamp, stamp_of_band
from icemap.predictors.own_statistics import exact_statistics
from icemap.predictors.statistic import statistics_of
from icemap.predictors.told_codes import codes_told
from icemap.units import same_unit, says_nothing

# Words of CF among the tags of a file that hold for each of its bands.
OF_ALL_BANDS = ("units", "unit", "scale_factor", "add_offset", *MISSING)
# What the header of ENVI, which GDAL hands on as it is, says by words of its own.
ENVI = {"data_units": "units", "reflectance_scale_factor": "reflectance_scale_factor"}
# Compressions that change values: JPEG, but not JPEG2000, which may or may not.
LOSSY = re.compile(r"JPEG(?!\d)")
# By which a compression may change a code that is then rounded to itself.
MAX_ERROR = 0.5


@dataclass(frozen=True)
class Band:
    """What a file, or all files of a mosaic, say of a band.

    Attributes
    ----------
    declared : Declared
    name : str
        Empty where files call it differently.
    is_alpha : bool
    stamp : Stamp
    conflict : str
        A code of classes that two files name differently, in words; empty if there is none.
    lossy : str
        The compression of a file if it changes values so far that codes become others.
    heard : Heard
        What files say differently.
    """

    declared: Declared
    name: str
    is_alpha: bool
    stamp: Stamp
    conflict: str = ""
    lossy: str = ""
    heard: Heard = field(default_factory=Heard)


def _heard_among(paths: Sequence[str], same: Sequence[Band]) -> Heard:
    """What files say differently of one band."""
    first, disputes = same[0].declared, []
    for path, band in zip(paths, same):
        own = band.declared
        if not np.allclose((own.scale, own.offset), (first.scale, first.offset), rtol=1e-6, atol=0):
            said = f"bands of {path} have another scale or offset than those of {paths[0]}"
            disputes.append(Dispute(said, ("scale", "offset")))
        are_silent = says_nothing(own.unit) and says_nothing(first.unit)
        if not (are_silent or same_unit(own.unit, first.unit)):
            said = f"bands of {path} have another unit than those of {paths[0]}"
            disputes.append(Dispute(said, ("file_unit",)))
    codes = [band.declared.nodata for band in same]
    doubted = {
        code: f"{path}, but not by all the files"
        for path, code in zip(paths, codes)
        if code is not None and np.isfinite(code) and any(code != other for other in codes)
    }
    return Heard(tuple(disputes[:1]), doubted)


def require_one_order(name: str, paths: Sequence[str], bands: Sequence[tuple[Band, ...]]) -> None:
    """Refuse files whose bands have the same names in another order.

    Parameters
    ----------
    name : str
        Of the source, for messages.
    paths : sequence of str
    bands : sequence of tuple of Band
        Those of each file.
    """
    first = [band.name for band in bands[0]]
    for path, own in zip(paths, bands):
        names = [band.name for band in own]
        if names != first and sorted(names) == sorted(first):
            raise IcemapError(
                f"The source '{name}': bands of {path} are {', '.join(names)}, those of {paths[0]}"
                f" {', '.join(first)}: bring them into one order, with gdal_translate -b or"
                " gdalbuildvrt."
            )


def joined(paths: Sequence[str], same: Sequence[Band]) -> Band:
    """One band of all files: the names of its classes together.

    Parameters
    ----------
    paths : sequence of str
    same : sequence of Band
        That of each file.
    """
    classes, conflict = names_together(
        (path, band.declared.classes) for path, band in zip(paths, same)
    )
    tables = [band.declared.table for band in same if band.declared.table]
    heard = sum((band.heard for band in same), _heard_among(paths, same))
    declared = replace(
        same[0].declared,
        classes=classes,
        table=tables[0] if tables else "",
        statistics=same[0].declared.statistics if len(same) == 1 else None,
        doubted=heard.doubted,
    )
    name = same[0].name if len({band.name for band in same}) == 1 else ""
    lossy = next((band.lossy for band in same if band.lossy), "")
    return replace(
        same[0],
        declared=declared,
        name=name,
        conflict=next((band.conflict for band in same if band.conflict), conflict),
        lossy=lossy,
        heard=heard,
    )


def band_of(
    dataset: Any, number: int, names: dict[int, str], words: dict[str, str], heard: Heard
) -> Band:
    """What one file says of a band.

    Parameters
    ----------
    dataset : rasterio dataset
        The file, opened.
    number : int
        Of the band, from 1.
    names : dict of int to str
        Of its classes, by code.
    words : dict of str to str
        Of a header that GDAL does not read, as tags are.
    heard : Heard
        What other files say otherwise.
    """
    from rasterio.enums import ColorInterp

    of_file = {
        key: value
        for key, value in dataset.tags().items()
        if dataset.count == 1 or key.lower() in OF_ALL_BANDS
    }
    own = dataset.tags(number)
    of_header = dataset.tags(ns="ENVI")
    words = words | {ours: of_header[key] for key, ours in ENVI.items() if key in of_header}
    tags = {**words, **of_file, **of_variable(dataset.tags(), own), **own}
    unit = dataset.units[number - 1] or next(
        (tags[key] for key in ("GRIB_UNIT", "units", "UNITS", "Units", "unit") if key in tags),
        heard.unit,
    )
    dtype = np.dtype(dataset.dtypes[number - 1])
    scale, offset = dataset.scales[number - 1], dataset.offsets[number - 1]
    if (scale, offset) == (1.0, 0.0) and dtype.kind in "iu":
        # Other programs write the words of CF as tags, which GDAL does not apply.
        scale, offset = _tagged(tags, "scale_factor", 1.0), _tagged(tags, "add_offset", 0.0)
    is_scaled = (scale, offset) != (1.0, 0.0)
    told = cf_tags(tags, dtype, dataset.name, number, packed=is_scaled)
    named = [(dataset.name, names), *heard.named]
    by_code = names_together(named)[0]
    flags = (f"flag_values of {dataset.name}", told.classes)
    classes, conflict = names_together([*named, flags])
    has_colours = heard.is_coloured or dataset.colorinterp[number - 1] == ColorInterp.palette
    declared = Declared(
        dtype=str(dtype),
        unit=unit,
        scale=scale,
        offset=offset,
        stored=told.stored,
        physical=told.physical,
        classes=classes,
        table=told.table or _table(by_code, own, has_colours=has_colours),
        flags=told.flags,
        description=f"{dataset.descriptions[number - 1] or ''} {tags.get('long_name', '')}",
        remarks=remarks_of(tags) or remarks_of(dataset.tags()),
        listed=listed_codes(tags),
        unapplied="" if is_scaled else unapplied_scale(tags, dtype),
        unadded="" if is_scaled else unadded_offset(tags, dtype),
        nodata=dataset.nodatavals[number - 1],
        gives_way=True,
        statistics=exact_statistics(dataset.tags(number)),
        statistics_told=statistics_of(tags),
    )
    return Band(
        declared,
        dataset.descriptions[number - 1] or "",
        dataset.colorinterp[number - 1] == ColorInterp.alpha,
        stamp_of_band(tags, dataset.tags()),
        conflict,
        _lossy(dataset.tags(ns="IMAGE_STRUCTURE")),
        heard=replace(heard, doubted={**codes_told(tags), **heard.doubted}),
    )


def _lossy(structure: Mapping[str, str]) -> str:
    """The compression of a file if it changes whole numbers."""
    compression = structure.get("COMPRESSION", "")
    error = _tagged(structure, "max_z_error", 0.0)
    is_lossy = structure.get("COMPRESSION_REVERSIBILITY") == "LOSSY" or error > MAX_ERROR
    if LOSSY.search(compression):
        return "JPEG"
    return compression if is_lossy else ""


def _table(classes: Mapping[int, str], tags: Mapping[str, str], *, has_colours: bool) -> str:
    """What shows that the values of a band are codes; empty if nothing does."""
    if classes:
        return "names of classes"
    if has_colours:
        return "a colour table"
    is_thematic = tags.get("LAYER_TYPE", "").strip().lower() == "thematic"
    return "the LAYER_TYPE 'thematic'" if is_thematic else ""


def _tagged(tags: Mapping[str, str], key: str, otherwise: float) -> float:
    """The number in a tag, in capitals or not; ``otherwise`` where there is none."""
    named = {name.lower(): value for name, value in tags.items()}
    try:
        return float(named[key])
    except (KeyError, ValueError):
        return otherwise
