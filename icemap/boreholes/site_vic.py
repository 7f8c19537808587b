"""VIC of one borehole below its permafrost table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from icemap.boreholes.layer_vic import METHOD_ERROR
from icemap.boreholes.window import Pieces, window_means


class SiteVIC(NamedTuple):
    """VIC of one borehole below the permafrost table.

    Attributes
    ----------
    vic : float
        Length-weighted mean, %; NaN where no layer reaches the window.
    coverage : float
        Covered part of the window, 0-1.
    grade : str
        A, B, C or D.
    standard_error : float
        Way of measuring, part of the window that was not sampled, and permafrost table, %.
    layers : int
        Layers that reach the window.
    """

    vic: float
    coverage: float
    grade: str
    standard_error: float
    layers: int


def site_vic(
    layers: pd.DataFrame | Mapping[str, ArrayLike],
    permafrost_table: float,
    thickness: float = 5.0,
    table_error: float = 0.0,
) -> SiteVIC:
    """VIC of one borehole in the first metres below its permafrost table.

    Parameters
    ----------
    layers : DataFrame or mapping of columns
        ``top``, ``base`` (m below the surface) and ``vic`` (%); ``vic_error`` (%) and ``support``
        ("samples" or "logs") if known. A sample stands for half the way to its neighbours, at most
        0.5 m from its middle; a layer with base = top is always one. Layers with NaN are left out.
    permafrost_table : float
        Depth of the permafrost table, m.
    thickness : float
        Height of the window, m.
    table_error : float
        Standard error of the permafrost table, m.

    Returns
    -------
    SiteVIC

    Raises
    ------
    ValueError
        If a column is missing, a depth or a VIC is impossible, or the window is none.

    Notes
    -----
    Grades: A at a coverage of 0.8, B at 0.6, C at 0.4 with the top metre present, D less.

    Examples
    --------
    >>> layers = pd.DataFrame({"top": [0.0, 1.0, 3.0], "base": [1.0, 3.0, 5.0], "vic": [20.0, 60.0,
    ...     40.0]})
    >>> site_vic(layers, permafrost_table=0.5)[:3]
    (46.666..., 0.9, 'A')
    """
    layers = pd.DataFrame(layers)
    absent = [name for name in ("top", "base", "vic") if name not in layers.columns]
    if absent:
        raise ValueError(f"layers has no column '{absent[0]}': give top and base in m and vic in %")
    if not (np.isfinite(permafrost_table) and permafrost_table >= 0 and thickness > 0):
        raise ValueError(
            f"the window from {permafrost_table} m over {thickness} m is none: give a permafrost"
            " table of 0 m or more and a positive thickness"
        )
    top, base, vic = (layers[name].to_numpy(float) for name in ("top", "base", "vic"))
    if np.any(base < top) or np.any(top < 0):
        raise ValueError(
            "layers has a base above its top, or a top above the surface: depths are positive"
            " downwards, in m"
        )
    if np.any((vic < 0) | (vic > 100)):
        raise ValueError("vic has values outside 0-100: give % of the frozen volume")
    error = (
        layers["vic_error"].to_numpy(float)
        if "vic_error" in layers
        else np.full(len(layers), METHOD_ERROR["reported VIC"])
    )
    sample = (
        (layers["support"] == "samples").to_numpy()
        if "support" in layers
        else np.zeros(len(layers), dtype=bool)
    )
    pieces = Pieces(np.zeros(len(layers), dtype=np.int64), top, base, vic, error, sample)
    row = window_means(
        pieces, np.array([float(permafrost_table)]), np.array([float(table_error)]), thickness
    ).iloc[0]
    return SiteVIC(
        float(row["vic"]),
        float(row["coverage"]),
        str(row["grade"]),
        float(row["standard_error"]),
        int(row["layers"]),
    )
