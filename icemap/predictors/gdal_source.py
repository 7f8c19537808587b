"""Rasters that GDAL reads, GRIB among them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from icemap.errors import IcemapError, first_line
from icemap.predictors.decoding import conversion_text, decoder, single_precision, with_classes
from icemap.predictors.disputes import require_no_dispute
from icemap.predictors.foreign import require_no_foreign
from icemap.predictors.gdal_access import forget_changed, gdal_environment, gdal_path
from icemap.predictors.georeference import placed_raster, require_crs, require_georeference
from icemap.predictors.grib_grids import (
    gaussian_rows,
    require_grid_of_first,
    require_known_grids,
)
from icemap.predictors.months import NAMED, place_of_band
from icemap.predictors.stamps import file_stamps
from icemap.predictors.virtual_tiles import missing_behind
from icemap.source import CELSIUS, KELVIN, MONTHS, Source
from icemap.store import exists, is_remote, read_start, read_text

if TYPE_CHECKING:
    from affine import Affine

    from icemap.predictors.mosaic_bands import Band
    from icemap.predictors.mosaics import Mosaic


@contextmanager
def open_gdal(source: Source) -> Any:
    """Open one file, or the many of a mosaic, as a `Raster`, closed on leaving."""
    import affine
    import rasterio

    from icemap.predictors.mosaics import look_at_rims, open_mosaic

    try:
        with rasterio.Env(**gdal_environment(source.url)):
            # One file is a mosaic of itself.
            paths, stamps = (
                [gdal_path(url) for url in source.parts or (source.url,)],
                file_stamps(source),
            )
            forget_changed(paths, stamps)
            mosaic = open_mosaic(source.name, paths, stamps, overlay=source.overlay, crs=source.crs)
            band = _band(mosaic.bands, source)
            if mosaic.driver == "GRIB":
                for path, stamp in zip(paths, stamps):
                    require_grid_of_first(source.name, path, stamp, band)
            transform = _transform(mosaic, paths, stamps, band)
            declared = mosaic.bands[band - 1].declared
            heard = mosaic.bands[band - 1].heard
            require_no_dispute(source, heard)
            _require_codes(source, mosaic.bands[band - 1])
            source = with_classes(source, declared)
            decode = decoder(source, declared)
            look_at_rims(
                source.name,
                tuple(paths),
                tuple(stamps),
                source.overlay,
                source.crs,
                band,
                source.nodata,
            )
            # Without one a CRS would not help.
            require_georeference(source, transform)
            crs = require_crs(
                source,
                mosaic.layout.crs or _crs_next_to(source.parts[0] if source.parts else source.url),
            )

            def read(rows: slice, cols: slice) -> NDArray[np.float32]:
                try:
                    return single_precision(decode(mosaic.read(band, rows, cols, source.nodata)))
                except rasterio.errors.RasterioIOError as error:
                    gone = missing_behind(str(error))
                    if gone:
                        others = f" and {len(gone) - 1:,} others" if len(gone) > 1 else ""
                        raise IcemapError(
                            f"The source '{source.name}' ({error}) is made of {gone[0]}{others},"
                            " which is not there: put it there, or make the virtual raster again"
                            " where its files are (gdalbuildvrt)."
                        ) from error
                    raise IcemapError(
                        f"The source '{source.name}' ({error}) cannot be read: the file is broken"
                        " or truncated."
                    ) from error

            yield placed_raster(
                source,
                crs,
                transform,
                mosaic.layout.shape,
                read,
                "; ".join(filter(None, [conversion_text(source, declared), *heard.notes])),
            )
    except affine.TransformNotInvertibleError as error:
        _require_known(source, paths, stamps)
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) has cells without an extent by its header:"
            " correct its size of cells, with gdal_translate -a_ullr."
        ) from error
    except rasterio._err.CPLE_BaseError as error:
        _require_known(source, paths, stamps)
        raise IcemapError(
            f"The source '{source.name}' cannot be opened: {source.url} is not a raster that GDAL"
            f" reads ({first_line(error)})."
        ) from error
    except rasterio.errors.RasterioIOError as error:
        _require_known(source, paths, stamps)
        where = "one of its files" if source.parts else source.url
        for url in source.files[:1]:
            if is_remote(url):
                # The storage may have said more than GDAL: archived, expired, refused.
                read_start(url)
        raise IcemapError(
            f"The source '{source.name}' cannot be opened: {where} is not a raster that GDAL knows"
            f" ({first_line(error)})."
        ) from error


def _transform(mosaic: Mosaic, paths: Sequence[str], stamps: Sequence[str], band: int) -> Affine:
    """From cells to places, by GDAL but for the rows of Gaussian grids."""
    given = mosaic.layout.transform
    rows = (
        gaussian_rows(paths[0], stamps[0], band)
        if mosaic.driver == "GRIB" and len(paths) == 1
        else None
    )
    if rows is None:
        return given
    north, height = rows
    return type(given)(given.a, given.b, given.c, given.d, -height, north)


def _require_known(source: Source, paths: Sequence[str], stamps: Sequence[str]) -> None:
    """Say what is known of a file that GDAL fails on."""
    for path, stamp in zip(paths, stamps):
        require_known_grids(source.name, path, stamp)
    require_no_foreign(source)


def _crs_next_to(url: str) -> str | None:
    """The CRS in the .prj file of a raster, which GDAL reads for some formats only."""
    import pyproj

    sidecar = (
        str(PurePosixPath(url).with_suffix(".prj"))
        if not is_remote(url)
        else url.rpartition(".")[0] + ".prj"
    )
    if "?" in url or not exists(sidecar):
        return None
    try:
        return str(pyproj.CRS.from_user_input(read_text(sidecar).strip()).to_wkt())
    except pyproj.exceptions.CRSError as error:
        raise IcemapError(
            f"{sidecar} holds no CRS: correct it, or add 'crs' to the entry of {url} in the"
            " catalogue."
        ) from error


def _require_codes(source: Source, band: Band) -> None:
    """Refuse codes of classes that are not those of their legend."""
    if not (source.kind == "class" or source.fraction_of):
        return
    if band.conflict:
        raise IcemapError(
            f"The source '{source.name}': its files call the class code {band.conflict}: give them"
            " one set of codes first, or correct their tables."
        )
    if band.lossy:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) is compressed as {band.lossy}, which"
            " changes values a little, and makes of codes of classes those of others: get the"
            " classes from where they are not compressed so."
        )


def _band(bands: Sequence[Band], source: Source) -> int:
    """The number of the band that a source means."""
    further = [key for key in ("select", "reduce") if getattr(source, key)]
    if further:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) is a raster, which has no axes to"
            f" '{further[0]}': choose its band with 'variable'."
        )
    named = [band.name for band in bands]
    if source.step is not None:
        along, step, length = source.step
        count = sum(not band.is_alpha for band in bands)
        if along != "band" or count != length:
            raise IcemapError(
                f"The source '{source.name}' ({source.url}) has {count} bands and not {length}"
                f" along '{along}': give 'along: band', or {length} entries."
            )
        values = [number for number, band in enumerate(bands, 1) if not band.is_alpha]
        if length == MONTHS and source.unit in (*CELSIUS, *KELVIN):
            months = [bands[number - 1] for number in values]
            # All twelve have the same sentence.
            who = f"The source '{source.name.partition('[')[0]}' ({source.url})"
            stamps, names = [band.stamp for band in months], [band.name for band in months]
            step = place_of_band(step, stamps, names, who)
        return values[step]
    if source.variable is None:
        # The alpha band says where the others have values.
        values = [number for number, band in enumerate(bands, 1) if not band.is_alpha]
        if len(values) == 1:
            return values[0]
        listed = ", ".join(
            f"{number} ({bands[number - 1].name})" if bands[number - 1].name else str(number)
            for number in values[:20]
        )
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) has the {len(values)} bands"
            f" {listed}{' ...' if len(values) > 20 else ''}: name one as 'variable' in the"
            " catalogue."
        )
    if not source.variable.isdigit():
        if named.count(source.variable) == 1:
            return named.index(source.variable) + 1
        has = f", which has {', '.join(filter(None, named))}" if any(named) else ""
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) is a raster: 'variable' is"
            f" '{source.variable}', but must be the number of a band or its name{has}."
        )
    band = int(source.variable)
    if not 1 <= band <= len(bands):
        raise IcemapError(
            f"The source '{source.name}' ({source.url}) has {len(bands)} bands, but 'variable' asks"
            f" for band {band}."
        )
    _require_meant(source, band, named)
    return band


def _months(text: str) -> set[str]:
    return {found.lower()[:3] for found in NAMED.findall(text)}


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _require_meant(source: Source, band: int, named: Sequence[str]) -> None:
    """Refuse the number of a band where the names of the bands say that another is meant."""
    own = named[band - 1]
    words = (source.name, source.long_name)
    plain = {_plain(word) for word in words}
    month = _months(" ".join(words))
    if not own or _plain(own) in plain:
        return
    others = [number for number, name in enumerate(named, 1) if number != band and name]
    meant = [number for number in others if _plain(named[number - 1]) in plain]
    if len(_months(own)) == len(month) == 1 and _months(own) != month:
        meant += [number for number in others if _months(named[number - 1]) == month]
    if meant:
        raise IcemapError(
            f"The source '{source.name}' ({source.url}): 'variable' is {band}, and band {band} is"
            f" called '{own}', but '{source.long_name}' may be band {meant[0]}, which is called"
            f" '{named[meant[0] - 1]}': give the name of the band as 'variable'."
        )
