"""One self-contained page on a run compared with another map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from icemap.comparison.classes import OwnTotal
from icemap.comparison.result import GROUPS, Comparison, Total, ZoneResult
from icemap.mapping.map_schema import open_map, target_of
from icemap.products.figures.comparison import comparison_maps, joint_figure, totals_figure
from icemap.products.pages.page import embedded, render
from icemap.store import write_text
from icemap.totals.ice_storage import four_digits

# Areas in the picture of totals.
DRAWN = ("all", "region", "latitude")


@dataclass(frozen=True)
class FootingRow:
    """A line of the table that says what is compared of each map."""

    what: str
    area_km2: float
    run: str
    other: str


def write_comparison_page(url: str, found: Comparison, cells_url: str, map_url: str) -> None:
    """Write the page; it needs no network and no other file.

    Parameters
    ----------
    url : str
        Where the page will be.
    found : Comparison
    cells_url : str
        The Zarr group of the comparison.
    map_url : str
        Of the run.
    """
    filters: Mapping[str, Callable[..., str]] = {
        "total": total_text,
        "area": area_text,
        "shown": _shown,
        "upper": _upper,
    }
    target = target_of(open_map(map_url))
    names = (found.run.name, found.other.name)
    drawn = [zone for zone in found.areas if zone.group in DRAWN]
    unit = found.unit if found.footing.depth_m is not None else f"{found.target} ({found.unit})"
    page = render(
        "comparison.html",
        filters,
        found=found,
        groups=_grouped(found.areas),
        footing=footing_rows(found),
        outside=outside_text(found),
        ratio=ratio_text(found),
        maps=embedded(comparison_maps(cells_url, names, target)),
        totals=embedded(totals_figure(drawn, names, unit)),
        joint=embedded(joint_figure(cells_url, names, target)),
    )
    write_text(url, page)


def _grouped(zones: Sequence[ZoneResult]) -> dict[str, list[ZoneResult]]:
    return {
        heading: rows
        for group, heading in GROUPS.items()
        if (rows := [zone for zone in zones if zone.group == group])
    }


def total_text(total: Total, unit: str = "") -> str:
    """A total with its bounds.

    Examples
    --------
    >>> total_text(Total(7590.05, 3397.6, 12999.7), "km3"), total_text(Total(12.3456))
    ('7,590 km³ (3,398 to 13,000)', '12.35')
    """
    written = f"{_shown(total.value)} {unit.replace('km3', 'km³')}".strip()
    if total.low is None or total.high is None:
        return written
    return f"{written} ({_shown(total.low)} to {_shown(total.high)})"


def area_text(km2: float) -> str:
    """An area in the unit that suits it.

    Examples
    --------
    >>> area_text(23389433.4), area_text(512.0)
    ('23.39 million km²', '512 km²')
    """
    return f"{km2 / 1e6:.2f} million km²" if km2 >= 1e5 else f"{four_digits(km2)} km²"


def _shown(value: float) -> str:
    return four_digits(value).replace("-", "−") if value == value else "–"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _own(own: OwnTotal | None) -> str:
    if own is None:
        return "–"
    low, middle, high = own.volume_km3
    return total_text(Total(middle) if low == high else Total(middle, low, high), "km3")


def footing_rows(found: Comparison) -> list[FootingRow]:
    """From the whole of each map to what both describe."""
    footing, rows = found.footing, []
    own, cut = footing.other_own, footing.other_cut
    if own is not None and cut is not None:
        if own.depths_m != cut.depths_m:
            low, high = own.depths_m
            deep = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            rows.append(
                FootingRow(
                    f"all of the other map, its own {deep} m", own.region_km2, "–", _own(own)
                )
            )
        layer = f"all of the other map, upper {footing.depth_m:g} m"
        rows.append(FootingRow(layer, cut.region_km2, "–", _own(cut)))
    rows.append(
        FootingRow(
            "all of the run"
            + ("" if footing.depth_m is None else f", upper {footing.depth_m:g} m"),
            footing.run_km2,
            total_text(footing.run_total, found.unit),
            "–",
        )
    )
    rows.append(
        FootingRow(
            "compared: the same cells, mask and depth",
            footing.counted_km2,
            total_text(found.whole.run, found.unit),
            total_text(found.whole.other, found.unit),
        )
    )
    return rows


def outside_text(found: Comparison) -> list[str]:
    """How much of each map is not compared, in sentences."""
    footing = found.footing
    said = [
        _outside(
            found.run.name,
            footing.run_km2,
            footing.counted_km2,
            "that count",
            "the other map says nothing there",
        )
    ]
    if footing.other_cut is not None:
        region = footing.other_cut.region_km2
        compared = footing.counted_km2 if found.other.kind == found.run.kind else footing.cells_km2
        said.append(
            _outside(
                found.other.name,
                region,
                compared,
                "of which it says something",
                "the run maps nothing there",
            )
        )
    return said


def _outside(name: str, whole: float, compared: float, which: str, why: str) -> str:
    left = whole - compared
    if left < 1e-4 * whole:
        return f"All of {name} is compared: {area_text(whole)} {which}."
    return (
        f"Of {name}, {area_text(left)} of the {area_text(whole)} {which} ({left / whole:.1%}) are"
        f" outside: {why}."
    )


def ratio_text(found: Comparison) -> str:
    """The ratio of the two totals, with that to the other's bounds; empty for means."""
    run, other = found.whole.run, found.whole.other
    if found.footing.depth_m is None or other.value <= 0:
        return ""
    if found.other.kind == found.run.kind:
        return f"{run.value / other.value:.3g}"
    text = f"{run.value / other.value:.2g}"
    if other.low and other.high and other.low != other.high:
        text += f" ({run.value / other.high:.2g} to {run.value / other.low:.2g} by its bounds)"
    return text


def summary_lines(found: Comparison) -> list[str]:
    """The result as lines of text: totals, ratio with its remarks, agreement."""
    whole, footing = found.whole, found.footing
    layer = "" if footing.depth_m is None else f", upper {footing.depth_m:g} m"
    lines = [
        f"{footing.cells:,} cells in common, {area_text(footing.counted_km2)} that count{layer}",
        f"{found.run.name}: {total_text(whole.run, found.unit)}",
        f"{found.other.name}: {total_text(whole.other, found.unit)}",
    ]
    if ratio := ratio_text(found):
        lines.append(f"ratio {ratio}")
    agreement = found.agreement
    lines.append(
        f"Spearman {agreement.spearman:.2f}, weighted kappa {agreement.kappa:.2f}, bias "
        f"{whole.bias:+.2f} {found.target_unit}; {whole.covered:.1%} of the area of the second map "
        "is in the run's 95 % interval"
    )
    return [*lines, *found.remarks, *outside_text(found)]
