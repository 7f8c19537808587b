import numpy as np

from icemap.boreholes.text import line_ranges


def test_line_ranges_are_short() -> None:
    assert line_ranges(np.array([9, 3, 7, 8, 12])) == "3, 7-9, 12"
