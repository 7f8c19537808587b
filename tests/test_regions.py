import numpy as np

from icemap.regions import REGIONS, region_of


def test_places_everyone_knows() -> None:
    places = {
        "Utqiagvik": (-156.79, 71.29, "North America"),
        "Ilulissat": (-51.1, 69.2, "North America"),
        "Aleutians": (-178.0, 51.9, "North America"),
        "Yakutsk": (129.7, 62.0, "Siberia"),
        "Anadyr across the date line": (-172.5, 66.2, "Siberia"),
        "Vorkuta": (64.0, 67.5, "Siberia"),
        "Wudaoliang": (93.1, 35.2, "Qinghai-Xizang"),
        "Ulaanbaatar": (106.9, 47.9, "Mongolia"),
        "Abisko": (18.8, 68.35, "Nordic"),
        "Longyearbyen": (15.6, 78.2, "Nordic"),
        "Zermatt": (7.7, 46.0, "other"),
    }
    lon, lat, expected = zip(*places.values())
    assert region_of(lon, lat).tolist() == list(expected)


def test_every_place_has_one_region_and_nowhere_is_other() -> None:
    lon, lat = np.meshgrid(np.arange(-180, 181, 5.0), np.arange(-90, 91, 5.0))
    assert set(region_of(lon, lat).ravel()) == set(REGIONS)
    assert region_of(np.nan, 60.0) == "other"
