"""The pages of docs/how-to do what they say: their code runs from top to bottom."""

import importlib.util
import re
import warnings
from pathlib import Path

import pytest

from tests.small_chain import in_little

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
# Packages that a page needs beyond icemap's own.
NEEDED = {"dask-ml.md": ("dask_ml", "dask.dataframe")}


@pytest.mark.parametrize("page", ["interactive.md", "dask-ml.md"])
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    for module in NEEDED.get(page, ()):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install 'icemap[dask-ml]'")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (PAGES / page).read_text(), re.M | re.S)
    assert len(blocks) >= 3
    with warnings.catch_warnings(), in_little():
        warnings.simplefilter("ignore")
        names: dict = {}
        for number, block in enumerate(blocks):
            exec(compile(block, f"{page}, block {number}", "exec"), names)
    if page == "interactive.md":
        assert 20 < float(names["made"].vic.mean().compute()) < 80
        assert names["made"].rio.crs.to_epsg() == 4326
    else:
        assert names["search"].best_params_["min_samples_leaf"] in (3, 8)
