from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from icemap import IcemapError
from icemap.boreholes.records import COLUMNS, make_layers, require_schema
from icemap.boreholes.tables import read_table


def test_every_bad_row_is_named_at_once_by_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("site\na\n\nb\n\nc\n")
    table = read_table(str(path))
    layers = make_layers(
        table,
        {
            "site": ["a", "", "c"],
            "top": [0.0, 1.0, np.inf],
            "position_grade": ["A", "Z", "Z"],
            "permafrost_table": [-1.0, 0.5, 0.5],
        },
    )
    with pytest.raises(IcemapError) as caught:
        require_schema(layers, table)
    message = str(caught.value)
    assert message.startswith(f"{path} has 3 bad rows")
    assert "site is missing, which is to be in every row (line 4)" in message
    assert "top is not a finite number: 'inf' (line 6)" in message
    assert "position_grade is not one of A, B, C, D: 'Z' (line 4, 6)" in message
    assert "permafrost_table is above the ground surface: '-1.0' (line 2)" in message


def test_layers_have_the_columns_of_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("site\na\n")
    layers = make_layers(read_table(str(path)), {"site": pd.Series([" a "])})
    assert tuple(layers.columns) == COLUMNS
    assert layers["site"][0] == "a"
    assert layers["ice_type"][0] == ""
    assert np.isnan(layers["porosity"][0])
