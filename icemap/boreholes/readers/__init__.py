"""One small reader per format; each delivers ``Records``."""

from __future__ import annotations

from collections.abc import Callable

from icemap.boreholes.readers.castagner2022 import read_castagner2022
from icemap.boreholes.readers.cf_profiles import read_cf_profiles
from icemap.boreholes.readers.jorgenson2025 import read_jorgenson2025
from icemap.boreholes.readers.kanevskiy2024 import read_kanevskiy2024
from icemap.boreholes.readers.layer_table import read_layer_table
from icemap.boreholes.readers.mohammadi2024 import read_mohammadi2024
from icemap.boreholes.records import Records

READERS: dict[str, Callable[[str], Records]] = {
    "icemap": read_layer_table,
    "jorgenson2025": read_jorgenson2025,
    "castagner2022": read_castagner2022,
    "mohammadi2024": read_mohammadi2024,
    "kanevskiy2024": read_kanevskiy2024,
    "cf_profiles": read_cf_profiles,
}
