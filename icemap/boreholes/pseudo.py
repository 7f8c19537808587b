"""Which rows are pseudo-sites, of which no score and no count may have one."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def is_pseudo(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows of a table of sites or samples are pseudo-sites, (n,): none where it does not say.

    Examples
    --------
    >>> is_pseudo(pd.DataFrame({"value": [2.5, 40.0], "pseudo": [True, False]})).tolist()
    [True, False]
    """
    if "pseudo" not in table:
        return np.zeros(len(table), dtype=bool)
    return table["pseudo"].to_numpy(bool)
