"""Minutes and directions in columns of their own."""

import numpy as np
import pandas as pd
import pytest

from icemap.boreholes.split_coordinates import require_whole
from icemap.errors import IcemapError

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"lon": [150.5, 149.0], "EW": ["W", "E"]}, "'EW' says W where 'lon' is positive"),
        ({"lon": [150.5], "lon_dir": ["west"]}, "'lon_dir' says W"),
        ({"lon": [150, 149], "Lon min": [30, 0]}, "'Lon min' what looks like their minutes"),
        ({"lon": [150.0], "long [minutes]": [12.5]}, "their minutes"),
        ({"lon": [150.0], "lon_m": [12.5]}, "'lon_m' what looks like their minutes"),
        ({"lon": [150.0], "min": [12.5]}, "'min' what looks like their minutes"),
        ({"lon": [150.0], "min.1": [12.5]}, "their minutes"),
        ({"lon": [150.0], "мин": [12.5]}, "their minutes"),
        ({"lon": [150.0], "min_w": [12.5]}, "their minutes"),
    ],
)
def test_columns_that_belong_to_the_degrees_are_named(columns, said) -> None:
    table = pd.DataFrame(columns)
    with pytest.raises(IcemapError) as raised:
        require_whole(table, "lon", table["lon"].to_numpy(float), "longitude")
    assert said in str(raised.value)


@pytest.mark.parametrize(
    "columns",
    [
        {"lon": [-150.5], "EW": ["W"]},
        {"lon": [150.5], "aspect": ["W"]},
        {"lon": [150, 149], "lat_min": [30, 10]},
        {"lon": [150.25, 149], "lon_min": [30, 10]},
        {"lon": [150, 149], "lon_min": [148, 147]},
        {"lon": [150, 149], "min": [12, 13], "max": [50, 60]},
        {"lon": [150, 149], "vic": [50, 60], "min": [12, 13]},
        {"lon": [150.5, 149], "min": [12, 13]},
    ],
)
def test_other_columns_are_left_alone(columns) -> None:
    table = pd.DataFrame(columns)
    require_whole(table, "lon", np.asarray(table["lon"], dtype=float), "longitude")
