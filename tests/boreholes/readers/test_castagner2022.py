from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from icemap import IcemapError
from icemap.boreholes.readers.castagner2022 import read_castagner2022


def log(**columns: list[object]) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    plain = {
        "Borehole.ID": "B1",
        "Top.depth": 0.0,
        "Bottom.depth": 1.0,
        "Material": "Clay",
        "Frozen": "Yes",
        "Visible.ice": "Low",
    }
    return pd.DataFrame({**{name: [value] * n for name, value in plain.items()}, **columns})


def test_logs_give_visible_ice_by_class_and_massive_ice(tmp_path: Path) -> None:
    table = log(
        **{
            "Visible.ice": ["Low", "Medium to high", "High", "No visible ice", "ice", "NA"],
            "Frozen": ["Yes"] * 5 + ["No"],
        }
    )
    table.to_csv(tmp_path / "CryostratigraphyBHdataMI.csv")
    records = read_castagner2022(str(tmp_path))
    np.testing.assert_allclose(
        records.layers["visible_ice"], [0.08, 0.45, 0.87, 0.0, np.nan, np.nan]
    )
    assert records.layers["ice_type"].tolist() == ["", "", "", "", "massive", ""]
    assert records.flags[["line", "reason"]].to_numpy().tolist() == [[7, "unfrozen when drilled"]]
    assert records.layers["lon"].isna().all()


def test_samples_give_excess_ice_as_a_fraction_and_bedrock(tmp_path: Path) -> None:
    pd.DataFrame(
        {
            "Site ID": ["S", "S"],
            "From (m)": [0.5, 1],
            "To (m)": [1, 1.5],
            "Material": ["Silt", "Rock"],
            "Excess ice (%)": [22.5, 0],
        }
    ).to_csv(tmp_path / "SentinelBHdata.csv", index=False)
    layers = read_castagner2022(str(tmp_path)).layers
    assert layers["excess_ice"].tolist() == [0.225, 0.0]
    assert layers["ice_type"].tolist() == ["", "bedrock"]


def test_an_unknown_class_and_a_wrong_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(IcemapError, match=r"SentinelBHdata\.csv"):
        read_castagner2022(str(tmp_path))
    log(**{"Visible.ice": ["Low", "Some"]}).to_csv(tmp_path / "CryostratigraphyBHdata.csv")
    with pytest.raises(IcemapError, match=r"Visible.ice is not a class: 'Some' \(line 3\)"):
        read_castagner2022(str(tmp_path))
