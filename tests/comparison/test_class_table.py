from __future__ import annotations

import numpy as np
import pytest

from icemap.comparison.class_table import read_class_names, read_class_table
from icemap.errors import IcemapError

TABLE = """code,name,low,middle,high,depth,extent_low,extent,extent_high,ice
1,rich,20,25,30,20,0.9,0.95,1,excess
2,poor,0,5,10,10,0.1,0.3,0.5,excess
9,sea,,,,,,,,
"""


def table(tmp_path, text: str = TABLE, **options):
    path = tmp_path / "classes.csv"
    path.write_text(text)
    return read_class_table(str(path), "%", **{"numbers": True, **options})


def test_a_table_is_read(tmp_path):
    found = table(tmp_path)
    assert [(one.code, one.name, one.is_known) for one in found.classes] == [
        ("1", "rich", True),
        ("2", "poor", True),
        ("9", "sea", False),
    ]
    assert (found.ice, found.depth) == ("excess", 10.0)
    assert found.index_of(np.array([[9.0, np.nan], [1.0, 2.0]]), "map").tolist() == [
        [2, -1],
        [0, 1],
    ]


def test_a_total_has_the_depth_and_the_extent_of_each_class(tmp_path):
    areas = {"1": 100.0, "2": 1000.0, "9": 5000.0}
    own = table(tmp_path).total(areas)
    assert own.region_km2 == 1100
    assert own.counted_km2 == pytest.approx((190, 395, 600))
    middle = 100 * 0.95 * 0.25 * 0.02 + 1000 * 0.3 * 0.05 * 0.01
    assert own.volume_km3 == pytest.approx(
        (100 * 0.9 * 0.2 * 0.02, middle, 100 * 0.3 * 0.02 + 1000 * 0.5 * 0.1 * 0.01)
    )
    assert own.depths_m == (10, 20)
    shallow = table(tmp_path).total(areas, 5.0)
    assert shallow.volume_km3[0] == pytest.approx(own.volume_km3[0] / 4)
    assert shallow.depths_m == (5, 5)


def test_units_in_headers_are_heard(tmp_path):
    found = table(
        tmp_path, "code;low [1];high [1];depth [cm];extent [%]\n3;0.2;0.4;250;60\n"
    ).classes[0]
    assert (found.low, found.middle, found.high, found.depth, *found.extent) == pytest.approx(
        (20, 30, 40, 2.5, 0.6, 0.6, 0.6)
    )


def test_one_column_is_enough_and_no_depth_is_none(tmp_path):
    found = table(tmp_path, "code,middle\n3,12\n")
    one = found.classes[0]
    assert (one.name, one.low, one.high, one.extent) == ("3", 12, 12, (1, 1, 1))
    assert found.depth is None


def test_words_are_codes_of_polygons_only(tmp_path):
    assert table(tmp_path, "code,middle\nChf,25\n", numbers=False).classes[0].code == "Chf"
    with pytest.raises(IcemapError, match=r"line 2: the code 'Chf' is no whole number"):
        table(tmp_path, "code,middle\nChf,25\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class,middle\n1,20\n", "no column 'code'"),
        ("code,name\n1,rich\n", "says nothing of what its classes hold"),
        ("code,middle\n1,20\n1,30\n", "line 3: the code 1 stands there twice"),
        (
            "code,low,middle,high\n1,20,10,30\n",
            "line 2: low, middle and high are not in rising order",
        ),
        ("code,low,middle,high\n1,20,,30\n", "line 2: low, middle and high must all be given"),
        ("code,middle\n1,much\n", "'much' in 'middle' is no number"),
        ("code,middle\n1,120\n", "line 2: a content is not between 0 and 100 %"),
        ("code,middle\n1,0.2\n2,0.3\n", "per cent are expected"),
        ("code,middle\n1,\n", "gives no class a content"),
        ("code,middle,depth\n1,20,0\n", "line 2: a depth must be more than 0 m"),
        ("code,middle,depth [kg]\n1,20,3\n", "cannot be converted to m"),
        ("code,middle,extent\n1,20,95\n", "as in 'extent \\[%\\]'"),
        ("code,middle,ice\n1,20,visible\n", "the ice is 'visible', but must be excess or total"),
        ("code,middle,ice\n1,20,excess\n2,20,total\n", "no common total"),
        ("code,middle\n,20\n", "line 2: the code is missing"),
    ],
)
def test_a_wrong_table_is_one_sentence(tmp_path, text, said):
    with pytest.raises(IcemapError, match=said):
        table(tmp_path, text)


def test_the_option_must_not_contradict_the_table(tmp_path):
    assert table(tmp_path, "code,middle\n1,20\n", ice="total").ice == "total"
    with pytest.raises(
        IcemapError, match="says that its ice is excess, and --ice that it is total"
    ):
        table(tmp_path, ice="total")


def test_a_code_that_the_table_misses_is_named(tmp_path):
    with pytest.raises(
        IcemapError, match=r"map holds the class code 7, which .*classes.csv does not have"
    ):
        table(tmp_path).index_of(np.array([1.0, 7.0]), "map")


def test_names_alone_need_no_content(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text("code,name\n2,tundra\n1,forest\n")
    assert read_class_names(str(path)) == {"2": "tundra", "1": "forest"}
