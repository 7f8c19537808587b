"""A virtual Arctic where pseudo-sites stand on the thinnest sediment: the map is nearer to the
truth there, and not worse elsewhere.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
NONE, RULE = "none", "below 1 m"


@pytest.fixture(scope="module")
def figures() -> dict[tuple[str, str], dict]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        spec = importlib.util.spec_from_file_location(
            "bedrock", Path(__file__).with_name("bedrock.py")
        )
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "bedrock", module)
        spec.loader.exec_module(module)
        rows = module.proof(205, [None, module.rule_of("1")], module.RESOLUTION)
    return {(row["rule"], row["cells"]): row for row in rows}


def test_the_map_is_nearer_to_the_truth_where_sediment_is_thin(figures) -> None:
    before, after = figures[NONE, "thin, in AOA"], figures[RULE, "thin, in AOA"]
    assert 0 < after["bias"] < 0.5 * before["bias"]
    assert after["crps"] < 0.6 * before["crps"]
    assert after["coverage"] > 0.9 > before["coverage"]


def test_and_not_worse_elsewhere(figures) -> None:
    before, after = figures[NONE, "other, in AOA"], figures[RULE, "other, in AOA"]
    assert after["crps"] < 1.01 * before["crps"]
    assert after["coverage"] > 0.94


def test_boreholes_alone_are_scored(figures) -> None:
    after = figures[RULE, "all"]
    assert after["pseudo_sites"] == 20
    assert after["rows_scored"] == after["boreholes"] == figures[NONE, "all"]["rows_scored"]
