import numpy as np
import pytest

from icemap.boreholes.table_units import convert_units, split_header


def test_headers_and_units() -> None:
    assert split_header(" Top depth (m) ") == ("Top depth", "m")
    assert convert_units(np.array([1.2]), "m", "cm") == pytest.approx(120)
    assert convert_units(np.array([50.0]), "%", "1") == pytest.approx(0.5)
    assert convert_units(np.array([0.0]), "°C", "K") == pytest.approx(273.15)
    assert convert_units(np.array([1.0]), "m", "%") is None
    assert convert_units(np.array([1.0]), "mW/m2", "mW/m2") == pytest.approx(1.0)
