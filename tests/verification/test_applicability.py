import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

from icemap.verification.applicability import (
    Applicability,
    applicability_threshold,
    dissimilarity_index,
)

SPLOT = Path(__file__).parents[2] / "../shared/reference/splotdata.csv"
CLIMATE = [
    "bio_1",
    "bio_4",
    "bio_5",
    "bio_6",
    "bio_8",
    "bio_9",
    "bio_12",
    "bio_13",
    "bio_14",
    "bio_15",
    "elev",
]
IMPORTANCE = [3.0, 1.5, 0.0, 2.0, 1.0, 0.25, 4.0, 1.0, 0.5, 2.5, 1.75]

# Output of CAST's trainDI() and aoa() for R's set.seed(42); matrix(rnorm(120), 30, 4) with weights
# from set.seed(99) and new rows from set.seed(777), recorded in
# github.com/ERICLuoYuu/Global_Sap_Velocity, src/aoa/tests/fixtures/cast_reference.json (commit
# a8461cb).
CAST_WEIGHTS = [0.22396250218487984, 0.48965813457087476, 0.097828704973743769, 0.45385850749478374]
CAST_MEAN_DISTANCE = 0.91476472628243588
CAST_THRESHOLD = 0.72102413876640736
# fmt: off
CAST_TRAIN_DI = [
    0.18251965150140842, 0.084219300763422184, 0.40722185191568061, 0.43233612350633616,
    0.33502855214241334, 0.51398742188752167,
    0.36518627773585127, 0.36518627773585127, 0.81303770570623801, 0.30098265038572092,
    0.18251965150140842, 0.37791654744640363,
    0.30738388646869613, 0.43233612350633616, 0.35685196134084202, 0.23904243154614746,
    0.35685196134084202, 0.52208353392424067,
    0.55827294883080147, 0.28883803854237594, 0.21399451013312906, 0.39428854054272777,
    0.45936359973908375, 0.32910194819535543,
    0.45119606885889829, 0.21399451013312906, 0.084219300763422184, 0.66092471789928264,
    0.70433622308741206, 0.25499049162852988,
]
CAST_NEW_DI = [
    0.42255706172908503, 0.13657922866347202, 0.67300846077479337, 0.42083063556501815,
    0.82178088076493028,
    0.29500579726658155, 0.4147511952614566, 0.32511195265010445, 0.17676395994002395,
    0.23141389507485713,
]
R_TRAIN = np.array([
    [1.3709584471466685, -0.5646981713960888, 0.36312841133733914, 0.63286260496104052,
    0.40426832314099909, -0.10612451609148399,
     1.5115219974389389, -0.094659038413097557, 2.0184237138770413, -0.062714099052420993,
     1.3048696542234852, 2.2866453927011068,
     -1.3888607011123393, -0.27878876681737141, -0.13332133639365801, 0.63595039807007447,
     -0.28425292141607239, -2.6564554209047762,
     -2.4404669285755189, 1.3201133457301919, -0.3066385940784746, -1.7813084339800005,
     -0.17191735575962136, 1.214674699172599,
     1.8951934612649652, -0.4304691316061996, -0.25726938276892963, -1.7631630851947802,
     0.4600973548312714, -0.63999487596011928],
    [0.45545012324121936, 0.70483733722881914, 1.0351035219699223, -0.6089263754072114,
    0.50495512329797021, -1.717008679073343,
     -0.78445900837949634, -0.8509075941765184, -2.4142076499466323, 0.036122606892255625,
     0.20599860020025387, -0.36105729854866619,
     0.75816323569951705, -0.72670482707657513, -1.3682810444192945, 0.43281802588871704,
     -0.81139317618667162, 1.4441012617212527,
     -0.43144620261334543, 0.65564788340220659, 0.32192526520394654, -0.78383894088037542,
     1.5757275197919773, 0.64289930571731646,
     0.089760646599605642, 0.27655074729146295, 0.67928881605527081, 0.089832886579081714,
     -2.9930900831529348, 0.2848829535306594],
    [-0.36723464274097534, 0.18523056486560935, 0.58182372736550692, 1.399736827292678,
    -0.72729205947446496, 1.3025426320441436,
     0.3358481197520744, 1.0385060986976211, 0.92072856829064631, 0.72087816286686257,
     -1.043118938567855, -0.090186386610706687,
     0.62351816199954357, -0.95352335777234398, -0.54282881457385679, 0.58099649768168238,
     0.76817873783459101, 0.4637675885401672,
     -0.88577629740967945, -1.0997808986478554, 1.512707009804928, 0.25792143753203084,
     0.088440229159586339, -0.12089653753908942,
     -1.1943288951605282, 0.61199689804038693, -0.21713984574652084, -0.1827567063319217,
     0.93334632857116007, 0.82177311050824897],
    [1.392116375934271, -0.47617392305467438, 0.65034856072630487, 1.3911104563900007,
    -1.1107888794478988, -0.86079258687784233,
     -1.1317386808537699, -1.4592139995023958, 0.079982553241161172, 0.65320433964919,
     1.2009653755984941, 1.0447510871677252,
     -1.003208646839848, 1.8484819016727465, -0.6667734087578171, 0.10551381245606943,
     -0.42225588186885604, -0.12235017195497129,
     0.18819303450149788, 0.11916095799700638, -0.025092550867402877, 0.1080727279420326,
     -0.4854352358466677, -0.50421713068790341,
     -1.661099079914812, -0.38233372687381811, -0.5126502578778005, 2.7018910003447973,
     -1.3621162311897188, 0.1372562185586069],
]).T
R_NEW = np.array([
    [0.4897862183198976, -0.39854138406554179, 0.51083632169060311, -0.39881205348517496,
    1.6386860587860725,
     0.62127396939375568, 0.20270430398870631, 1.1089377859644818, -0.20622475485617628,
     -0.37896503693580458],
    [-0.30426166154815187, 0.0541623242599256, -1.880930617335093, -0.03375647374093222,
    2.3114947622022428,
     0.97234016919150323, 0.96460804123288457, -0.54413250099194654, 0.67122324845808978,
     0.50081867142651393],
    [-2.0306358970555616, 0.22775185176467944, -0.78302514460272821, 1.2735921125387739,
    1.437710667691144,
     0.42700864628010371, -1.7444565291345437, -0.02531605986782377, -1.4883217607637185,
     -0.54157615550483917],
    [0.6613129194831896, 0.85834207346865965, 1.2516684771078677, -1.2147029788711659,
    1.5231529219552584,
     -1.2359828640421491, 1.6658530769961426, -0.50358432528410424, -0.57847871297950115,
     0.27176845251062448],
]).T
# fmt: on

# The steps of CAST's trainDI() and aoa() written again in base R.
R_ARITHMETIC = """
input <- commandArgs(TRUE)[1]
table <- read.csv(input)
names <- c({names})
weight <- c({weights})
known <- table$Country != "Chile"
scaled <- scale(table[known, names])
points <- sweep(scaled, 2, weight, "*")
places <- sweep(scale(table[!known, names], attr(scaled, "scaled:center"), attr(scaled, "scaled:scale")), 2, weight, "*")
between <- as.matrix(dist(points))
diag(between) <- NA
unit <- mean(rowMeans(between, na.rm = TRUE))
country <- table$Country[known]
between[outer(country, country, "==")] <- NA
train <- apply(between, 1, min, na.rm = TRUE) / unit
new <- apply(places, 1, function(place) min(sqrt(colSums((t(points) - place)^2)))) / unit
threshold <- min(quantile(train, 0.75) + 1.5 * IQR(train), max(train))
cat(sprintf("%.17g", c(unit, threshold, train, new)), sep = "\\n")
"""  # noqa: E501


def splot() -> tuple[pd.DataFrame, pd.Series]:
    table = pd.read_csv(SPLOT)
    return table, table.Country != "Chile"


def test_equals_the_output_of_cast():
    folds = np.arange(30) % 3
    fitted = Applicability.fit(R_TRAIN, CAST_WEIGHTS, folds)
    assert fitted.mean_distance == pytest.approx(CAST_MEAN_DISTANCE, rel=1e-13)
    assert fitted.train_index == pytest.approx(CAST_TRAIN_DI, rel=1e-12)
    assert fitted.threshold == pytest.approx(CAST_THRESHOLD, rel=1e-12)
    assert fitted.index(R_NEW) == pytest.approx(CAST_NEW_DI, rel=1e-12)
    assert (fitted.index(R_NEW) > fitted.threshold).tolist() == [False] * 4 + [True] + [False] * 5
    assert dissimilarity_index(R_TRAIN, R_TRAIN, CAST_WEIGHTS, folds) == pytest.approx(
        CAST_TRAIN_DI, rel=1e-12
    )
    assert dissimilarity_index(R_NEW, R_TRAIN, CAST_WEIGHTS) == pytest.approx(
        CAST_NEW_DI, rel=1e-12
    )


def test_threshold_printed_in_the_tests_of_cast():
    # CAST, tests/testthat/test-trainDI.R (Cook Farm data): these indices and the threshold 0.38986.
    # fmt: off
    train_di = [
        0.09043580, 0.14046341, 0.16584582, 0.57617177, 0.26840303, 0.14353894, 0.19768329,
        0.24022059, 0.06832037, 0.29150668,
        0.18471625, 0.57617177, 0.12344463, 0.09043580, 0.14353894, 0.26896008, 0.22713731,
        0.24022059, 0.20388725, 0.06832037,
        0.23604264, 0.20388725, 0.91513568, 0.09558666, 0.14046341, 0.16214832, 0.37107762,
        0.16214832, 0.18471625, 0.12344463,
    ]
    # fmt: on
    assert round(applicability_threshold(train_di), 5) == 0.38986


def test_threshold_is_at_most_the_largest_index():
    assert applicability_threshold([0.1, 0.2, 0.3, 0.4]) == 0.4


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
@pytest.mark.skipif(not SPLOT.exists(), reason="the reference data of CAST are not on this machine")
def test_equals_base_r_on_the_data_of_cast(tmp_path):
    script = tmp_path / "di.R"
    script.write_text(
        R_ARITHMETIC.format(
            names=", ".join(f'"{name}"' for name in CLIMATE),
            weights=", ".join(map(str, IMPORTANCE)),
        )
    )
    output = subprocess.run(
        ["Rscript", "--vanilla", str(script), str(SPLOT)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    unit, threshold, *indices = (float(line) for line in output.split())
    table, known = splot()
    fitted = Applicability.fit(table.loc[known, CLIMATE], IMPORTANCE, table.Country[known])
    assert fitted.mean_distance == pytest.approx(unit, rel=1e-12)
    assert fitted.threshold == pytest.approx(threshold, rel=1e-12)
    assert np.concatenate(
        [fitted.train_index, fitted.index(table.loc[~known, CLIMATE])]
    ) == pytest.approx(indices, rel=1e-12)


@pytest.mark.skipif(not SPLOT.exists(), reason="the reference data of CAST are not on this machine")
def test_index_of_chile_against_all_distances():
    table, known = splot()
    train, new = table.loc[known, CLIMATE].to_numpy(), table.loc[~known, CLIMATE].to_numpy()
    factor = np.array(IMPORTANCE) / train.std(axis=0, ddof=1)
    unit = cdist(train * factor, train * factor)[np.triu_indices(len(train), 1)].mean()
    assert dissimilarity_index(new, train, IMPORTANCE) == pytest.approx(
        cdist(new * factor, train * factor).min(axis=1) / unit, rel=1e-11
    )


def test_a_training_site_is_at_zero_even_far_from_the_origin():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(200, 5)) + 1e6
    train[0] += 1e4
    assert (dissimilarity_index(train, train) == 0).all()


def test_own_fold_is_no_neighbour():
    train = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]])
    alone = dissimilarity_index(train, train, folds=range(5))
    by_cluster = dissimilarity_index(train, train, folds=[0, 0, 1, 1, 2])
    assert by_cluster[0] == pytest.approx(50 * alone[0])
    assert by_cluster[4] == alone[4]
    assert Applicability.fit(train).train_index.tolist() == alone.tolist()


def test_weights_decide_and_negative_ones_count_as_zero():
    rng = np.random.default_rng(1)
    train, new = rng.normal(size=(50, 3)), rng.normal(size=(20, 3))
    assert dissimilarity_index(new, train, [2, 0, -1]) == pytest.approx(
        dissimilarity_index(new[:, :1], train[:, :1])
    )
    assert dissimilarity_index(new, train, [2, 4, 6]) == pytest.approx(
        dissimilarity_index(new, train, [1, 2, 3])
    )


def test_predictor_without_variance_has_no_say():
    rng = np.random.default_rng(2)
    train, new = rng.normal(size=(30, 2)), rng.normal(size=(8, 2))
    constant = np.column_stack([train, np.full(30, 0.1)])
    assert dissimilarity_index(np.column_stack([new, np.arange(8)]), constant) == pytest.approx(
        dissimilarity_index(new, train)
    )


def test_missing_predictor_gives_nan_for_that_row_alone():
    train = np.random.default_rng(3).normal(size=(40, 3))
    new = train[:3].copy()
    new[1, 2] = np.nan
    assert np.isnan(dissimilarity_index(new, train)).tolist() == [False, True, False]


@pytest.mark.parametrize("rows", [0, 1, 511, 513, 1500])
def test_any_number_of_rows(rows):
    rng = np.random.default_rng(4)
    train, new = rng.normal(size=(60, 4)), rng.normal(size=(rows, 4))
    fitted = Applicability.fit(train)
    assert fitted.index(new).shape == (rows,)
    assert fitted.index(new).tolist() == [float(fitted.index(row[None])[0]) for row in new]


def test_json_round_trip_is_exact():
    rng = np.random.default_rng(5)
    fitted = Applicability.fit(rng.normal(size=(70, 6)), rng.random(6), rng.integers(0, 5, 70))
    again = Applicability.from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    new = rng.normal(size=(200, 6))
    assert again.index(new).tobytes() == fitted.index(new).tobytes()
    assert again.to_dict() == fitted.to_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"train": pd.DataFrame({"elevation": [1.0, np.nan, 2], "ndvi": [1.0, 2, 3]})},
            "missing or infinite values in the predictors elevation:",
        ),
        ({"train": [[1.0], [1.0], [1.0]]}, "no predictor has both variance and a positive weight"),
        ({"weights": [0.0, -1.0]}, "no predictor has both variance and a positive weight"),
        ({"weights": [1.0]}, "one finite number for each of the 2 predictors"),
        ({"folds": [0, 0, 0]}, "at least two folds"),
        ({"folds": [0, 1]}, "one label for each of the 3 training sites"),
        ({"train": [[1.0, 2.0]]}, "at least two rows"),
    ],
)
def test_bad_training_input_is_named(change, message):
    arguments = {"train": [[1.0, 5.0], [2.0, 3.0], [4.0, 4.0]], **change}
    with pytest.raises(ValueError, match=message):
        Applicability.fit(**arguments)


def test_rows_of_another_shape_and_misplaced_folds_are_refused():
    train = np.random.default_rng(6).normal(size=(10, 3))
    with pytest.raises(ValueError, match="3 predictors are expected"):
        dissimilarity_index(train[:, :2], train)
    with pytest.raises(ValueError, match="folds belong to the training rows"):
        dissimilarity_index(train[:5], train, folds=range(10))
    with pytest.raises(ValueError, match="missing or infinite"):
        applicability_threshold([0.1, np.nan])


def test_the_threshold_is_that_of_the_sites_that_are_scored():
    """A pseudo-site that is like no borehole makes its own surroundings applicable, and no
    others.
    """
    rng = np.random.default_rng(0)
    holes, folds = rng.normal(size=(60, 2)), np.arange(60) % 5
    bedrock = np.array([[9.0, 9.0], [9.5, 9.0]])
    train, labels = np.concatenate([holes, bedrock]), np.append(folds, [0, 1])
    scored = np.arange(62) < 60
    found = Applicability.fit(train, None, labels, scored)
    assert len(found.train_index) == 60
    assert found.threshold == applicability_threshold(found.train_index)
    assert found.threshold < Applicability.fit(train, None, labels).train_index.max()
    inside = found.index([[9.2, 9.1], [6.0, -6.0]]) <= found.threshold
    assert inside.tolist() == [True, False]


def test_columns_of_tables_are_matched_by_name():
    train = pd.DataFrame(
        np.random.default_rng(4).normal(size=(30, 3)) * [1, 5, 20], columns=[*"abc"]
    )
    new = train.iloc[:4] + 0.5
    wanted = dissimilarity_index(new, train, [3, 2, 1])
    np.testing.assert_array_equal(dissimilarity_index(new[[*"cab"]], train, [3, 2, 1]), wanted)
    np.testing.assert_array_equal(dissimilarity_index(new.to_numpy(), train, [3, 2, 1]), wanted)
    for other in (new.rename(columns={"a": "z"}), new[["a", "b"]], new.assign(d=1.0)):
        with pytest.raises(ValueError, match="training table a, b, c: give the same"):
            dissimilarity_index(other, train)


def test_masked_predictors_are_refused():
    train = np.random.default_rng(5).normal(size=(30, 3))
    masked = np.ma.masked_greater(train, 1.5)
    for X, sites, name in ((masked, train, "X"), (train, masked, "train")):
        with pytest.raises(ValueError, match=f"values of {name} are masked"):
            dissimilarity_index(X, sites)
    assert (dissimilarity_index(np.ma.asarray(train), train) == 0).all()
