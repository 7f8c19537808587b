import re
from pathlib import Path

import pytest

from icemap import IcemapError, read_boreholes
from icemap.boreholes.header_words import CONTRARY

# What headers of published tables say, by the column that they were taken for and should be.
WRONG = {
    "gravimetric_water": [
        "Water wm [%]",
        "GWC wet [%]",
        "VMC [%]",
        "volumetrischer Wassergehalt [%]",
        "teneur en eau (base humide) [%]",
        "объёмная влажность [%]",
        "体积含水量 [%]",
        "Liquid limit [%]",
        "VIC [%]",
        "water (Mw/Mt) [%]",
        "w per total sample [%]",
        "Sättigung [%]",
    ],
    "volumetric_water": [
        "GMC [%]",
        "Water dm [%]",
        "teneur en eau massique [%]",
        "весовая [%]",
        "VIC [%]",
        "Volumetric ice content [%]",
        "Eisgehalt Vol [%]",
        "degree of saturation [%]",
        "unfrozen water vol [%]",
    ],
    "reported_vic": [
        "EIC [%]",
        "ice, % of dry soil [%]",
        "wedge ice volume [%]",
        "ice-rich area [%]",
        "ice content, dry basis [%]",
        "Ice cont grav [%]",
        "Ice cont wm [%]",
        "visible ice [%]",
        "glace en excès [%]",
        "Überschusseis [%]",
        "избыточная льдистость [%]",
        "质量含冰量 [%]",
        "ice saturation [%]",
        "volumetric water content [%]",
        "VWC [%]",
        "Moisture [% vol]",
        "влажность объёмная [%]",
        "porosity [%]",
        "segregated ice [%]",
        "ice class [%]",
        "VIC code [%]",
        "Pore ice [%]",
        "ice in excess of pore ice [%]",
        "excess ice and pore space [%]",
        "pore and excess ice by weight [%]",
    ],
    "excess_ice": ["VIC [%]", "total ice [%]", "EIC wt [%]", "суммарная льдистость [%]"],
    "porosity": ["void ratio [1]", "Porenzahl [1]", "Saturation [%]", "Sr [%]"],
    "dry_density": [
        "WBD [g/cm3]",
        "frozen bulk density [g/cm3]",
        "grain density [g/cm3]",
        "Feuchtdichte [g/cm3]",
        "湿密度 [g/cm3]",
    ],
    "frozen_bulk_density": ["DBD [g/cm3]", "Trockendichte [g/cm3]", "плотность скелета [g/cm3]"],
    "top": [
        "elev_top [m]",
        "cote du toit [m]",
        "depth below frost table [m]",
        "отметка [m]",
        "top below TOC [m]",
        "Top (from casing) [m]",
        "top below collar [m]",
        "top, stick-up included [m]",
        "depth below ice [m]",
    ],
    "base": [
        "core length [m]",
        "Recovery [m]",
        "Schichtdicke [m]",
        "мощность слоя [m]",
        "толщина [m]",
        "层厚 [m]",
    ],
    "permafrost_table": [
        "мощность ММП [m]",
        "多年冻土厚度 [m]",
        "snow depth [m]",
        "Borehole depth [m]",
        "Max. hole depth [m]",
        "Maximum depth [m]",
        "Sample_depth [m]",
        "peat thickness [m]",
        "Organic layer depth [m]",
    ],
}
RIGHT = {
    "gravimetric_water": ["Water dm [%]", "GMC [%]", "w [%]", "teneur en eau massique [%]"],
    "volumetric_water": [
        "VMC [%]",
        "Wassergehalt (Vol.-%)",
        "объемная влажность [%]",
        "water (ice) vol [%]",
        "total water content vol [%]",
        "Moisture vol [%]",
    ],
    "reported_vic": [
        "Ice cont vol [%]",
        "vic incl. wedge ice [%]",
        "ice in soil + wedges [%]",
        "VIC [vol.%]",
        "teneur en glace volumique [%]",
        "冰 [%]",
        "ice content (water equivalent x 1.09) [%]",
        "Volumetric ice content [%]",
        "VIC (pore ice + segregated ice + wedge ice) [%]",
        "total ice (visible and pore) [%]",
        "excess ice & pore ice [%]",
    ],
    "excess_ice": ["EIC [%]", "total excess ice [%]", "glace en excès [%]"],
    "porosity": ["n [%]", "Poros [% vol]", "Porosity [%]"],
    "dry_density": ["DBD [g/cm**3]", "bulk density, dry [g/cm3]", "плотность скелета [г/см3]"],
    "frozen_bulk_density": ["WBD [g/cm**3]", "frozen density [g/cm3]"],
    "top": ["Depth top [m]", "von (m)", "от (м)", "top [m b.s.]", "Top_m", "Top of ice [m]"],
    "base": ["Depth bot [m]", "bis (m)", "до (м)", "base of core [m]"],
    "permafrost_table": [
        "max. thaw depth [m]",
        "depth to ice [m]",
        "ALT in peat [m]",
        "ALT [m]",
        "мощность СТС [m]",
        "épaisseur de la couche active [m]",
    ],
}
DEFAULTS = {
    "top": "top [m]",
    "base": "base [m]",
    "permafrost_table": "permafrost_table [m]",
    "gravimetric_water": "gravimetric_water [%]",
    "dry_density": "dry_density [g/cm3]",
}


def read(folder: Path, name: str, header: str):
    names = {**DEFAULTS, name: header}
    cells = {"top": "0.5", "base": "2.5", "permafrost_table": "0.5", "dry_density": "1.3"}
    row = [cells.get(column, "0.3" if "[1]" in names[column] else "30") for column in names]
    row = ["1.3" if column.endswith("density") else cell for column, cell in zip(names, row)]
    quoted = ",".join(f'"{column}"' for column in names.values())
    path = folder / "layers.csv"
    path.write_text(f"site,lon,lat,{quoted}\na,130,60,{','.join(row)}\n", encoding="utf-8")
    return read_boreholes(path, columns={name: header})


@pytest.mark.parametrize(
    ("name", "header"), [(name, header) for name, headers in WRONG.items() for header in headers]
)
def test_a_header_that_says_something_else_is_refused(
    tmp_path: Path, name: str, header: str
) -> None:
    with pytest.raises(IcemapError, match=re.escape(f"'{header}' is to be {name}, which is")):
        read(tmp_path, name, header)


@pytest.mark.parametrize(
    ("name", "header"), [(name, header) for name, headers in RIGHT.items() for header in headers]
)
def test_a_header_that_says_the_same_in_other_words_is_read(
    tmp_path: Path, name: str, header: str
) -> None:
    assert read(tmp_path, name, header)["value"].notna().all()


@pytest.mark.parametrize("header", ["unfrozen", "thawed?", "is_thawed", "талый грунт"])
def test_thawed_is_not_frozen(tmp_path: Path, header: str) -> None:
    path = tmp_path / "layers.csv"
    text = "site,lon,lat,permafrost_table [m],top [m],base [m],vic [%],{}\na,130,60,1,1,6,40,yes\n"
    path.write_text(text.format(header), encoding="utf-8")
    with pytest.raises(IcemapError, match=r"is to be frozen, which is yes where the ground was"):
        read_boreholes(path, columns={"frozen": header})
    path.write_text(text.format("Frozen (y/n)"), encoding="utf-8")
    assert read_boreholes(path, columns={"frozen": "Frozen"})["value"].tolist() == [40]


def test_a_table_of_sites_is_asked_about_its_ice(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    path.write_text("lon,lat,EIC [%],ice [%]\n130,60,30,50\n")
    with pytest.raises(IcemapError, match=r"'EIC \[%\]' is to be reported_vic.*\('eic'\)"):
        read_boreholes(path, value="EIC")
    excess = {"name": "eic", "unit": "%"}
    assert read_boreholes(path, value="EIC", target=excess)["value"].tolist() == [30]
    assert read_boreholes(path, value="ice")["value"].tolist() == [50]


@pytest.mark.parametrize("header", ["ln_vic", "log(VIC)", "log-transformed ice", "log10 ice"])
def test_logarithms_are_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "sites.csv"
    path.write_text(f"lon,lat,{header} [%]\n130,60,1.5\n")
    with pytest.raises(IcemapError, match=r"is to be reported_vic.*header says something else"):
        read_boreholes(path, value=header)


@pytest.mark.parametrize(
    "header",
    [
        "95 % CI [cm]",
        "ci95",
        "Konfidenzintervall",
        "2σ",
        "error_2sd",
        "variance",
        "CV",
        "n",
        "rel. error",
        "range [cm]",
        "MSE",
        "confidence limit",
        "coefficient of variation",
    ],
)
def test_what_is_no_standard_error_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "sites.csv"
    path.write_text(f"lon,lat,alt [cm],{header}\n130,60,30,5\n", encoding="utf-8")
    alt = {"name": "alt", "unit": "cm", "bounds": None}
    with pytest.raises(IcemapError, match=re.escape(f"'{header}' is to be standard_error, which")):
        read_boreholes(path, value="alt", target=alt, standard_error=header)


@pytest.mark.parametrize("header", ["se", "error [cm]", "Standard_error", "sd", "σ", "1σ", "± cm"])
def test_a_standard_error_by_any_name_is_read(tmp_path: Path, header: str) -> None:
    path = tmp_path / "sites.csv"
    path.write_text(f"lon,lat,alt [cm],{header}\n130,60,30,5\n", encoding="utf-8")
    alt = {"name": "alt", "unit": "cm", "bounds": None}
    sites = read_boreholes(path, value="alt", target=alt, standard_error=header)
    assert sites["standard_error"].tolist() == [5]


def test_every_meaning_is_said() -> None:
    assert all(meaning for meaning, _ in CONTRARY.values())


@pytest.mark.parametrize(
    ("unit", "density"),
    [
        ("g/cm**3", 1.3),
        ("g·cm⁻³", 1.3),
        ("Mg m-3", 1.3),
        ("t/m3", 1.3),
        ("г/см³", 1.3),
        ("kg m-3", 1300),
        ("pcf", 81.157),
        ("kN/m³", 12.7486),
    ],
)
def test_densities_in_the_units_of_laboratories(tmp_path: Path, unit: str, density: float) -> None:
    path = tmp_path / "layers.csv"
    path.write_text(
        "site,lon,lat,permafrost_table [m],top [m],base [m],gravimetric_water [%],"
        f"dry_density [{unit}]\na,130,60,0.5,0.5,5.5,30,{density}\n",
        encoding="utf-8",
    )
    assert read_boreholes(path)["value"].tolist() == pytest.approx([42.53], abs=0.01)


@pytest.mark.parametrize("headers", ["top [ft],base [ft]", "top (feet),base (feet)"])
def test_depths_in_feet_are_converted(tmp_path: Path, headers: str) -> None:
    path = tmp_path / "layers.csv"
    path.write_text(
        f"site,lon,lat,permafrost_table [ft],{headers},vic [%]\na,130,60,2,2,7,40\na,130,60,2,7,"
        "18.4,60\n"
    )
    site = read_boreholes(path).iloc[0]
    assert site["value"] == pytest.approx((5 * 40 + 11.4 * 60) / 16.4)
    assert site["permafrost_table"] == pytest.approx(0.6096)
