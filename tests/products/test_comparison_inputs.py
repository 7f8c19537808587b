import pytest

from icemap.config_sections import CompareConfig
from icemap.errors import IcemapError
from icemap.products.comparison_inputs import comparison_name, require_different_names


def test_names_are_those_of_files_and_folders():
    assert comparison_name(CompareConfig(other="/data/runs/2025/")) == "2025"
    assert comparison_name(CompareConfig(other="s3://bucket/old run/map.zarr")) == "old_run"
    assert (
        comparison_name(CompareConfig(other="https://example.org/ice.map.tif?sig=1")) == "ice.map"
    )
    assert comparison_name(CompareConfig(other="entry", catalog="c.yaml")) == "entry"
    with pytest.raises(IcemapError, match="both called 'ice'"):
        require_different_names(
            [CompareConfig(other="a/ice.tif"), CompareConfig(other="b/ice.tif")]
        )
