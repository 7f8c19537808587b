import pytest

from icemap.ensemble.coding import PredictorCoding
from icemap.ensemble.imported_members import require_member
from icemap.ensemble.members import make_member
from icemap.errors import IcemapError


@pytest.mark.quick
@pytest.mark.parametrize(
    "name",
    [
        "forest",
        "",
        "sklearn",
        "sklearn.linear_model.Rigde",
        "no.such.Thing",
        "sklearn.cluster.KMeans",
        "collections.OrderedDict",
        "os.path",
    ],
)
def test_unknown_members_are_refused_with_what_there_is(name):
    for refuse in (
        lambda: require_member(name),
        lambda: make_member(name, PredictorCoding((), {}, {}, {}, {}, {}), 0),
    ):
        with pytest.raises(
            IcemapError,
            match=(
                "svr, gam, random_forest, lightgbm or the import path of a scikit-learn regressor"
            ),
        ) as caught:
            refuse()
        assert f"'{name}'" in str(caught.value)
