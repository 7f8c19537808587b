"""Where everything of a run is: the one place that knows the names in its folder."""

from __future__ import annotations

from dataclasses import dataclass

from icemap.store import RECORD, join

# Folder of a run for what is not complete while there is an earlier one.
NEXT = ".next"
LEDGER = "ledger"
# Of the verification, in the folder of the ensemble.
CALIBRATION = "calibration.json"
APPLICABILITY = "applicability.json"
#: Of a saved ensemble. It counts up when what predicts changes in its digits, too: an ensemble of
#: another format is trained again.
ENSEMBLE_FORMAT = 8


@dataclass(frozen=True)
class RunFolder:
    """A folder or bucket prefix with all products of one config.

    Examples
    --------
    >>> run = RunFolder("s3://ice/alaska")
    >>> run.map, run.ledger("map")
    ('s3://ice/alaska/map.zarr', 's3://ice/alaska/ledger/map')
    >>> RunFolder.of_map(run.map) == run
    True
    """

    url: str

    @classmethod
    def of_map(cls, map_url: str) -> RunFolder:
        """The run that a map belongs to: the folder that holds it."""
        return cls(map_url.rstrip("/").rpartition("/")[0] or ".")

    @property
    def record(self) -> str:
        return join(self.url, RECORD)

    @property
    def cube(self) -> str:
        return join(self.url, "cube.zarr")

    @property
    def predictors_page(self) -> str:
        return join(self.url, "predictors.html")

    @property
    def samples(self) -> str:
        return join(self.url, "samples.parquet")

    @property
    def sites(self) -> str:
        """Every site of the boreholes, used or not."""
        return join(self.url, "sites.parquet")

    @property
    def boreholes_page(self) -> str:
        return join(self.url, "boreholes.html")

    @property
    def ensemble(self) -> str:
        return join(self.url, "ensemble")

    @property
    def verification(self) -> str:
        return join(self.url, "verification.json")

    @property
    def verification_page(self) -> str:
        return join(self.url, "verification.html")

    @property
    def influence(self) -> str:
        return join(self.url, "influence.json")

    @property
    def map(self) -> str:
        return join(self.url, "map.zarr")

    @property
    def storage(self) -> str:
        return join(self.url, "ice_storage.json")

    def storage_of(self, zones: str) -> str:
        """Totals of the zones of a file that a user names."""
        return join(self.products, f"ice_storage_{zones}.json")

    @property
    def products(self) -> str:
        return join(self.url, "products")

    def product(self, name: str) -> str:
        return join(self.products, name)

    @property
    def viewer(self) -> str:
        return join(self.products, "viewer")

    @property
    def picture(self) -> str:
        return join(self.products, "map.png")

    @property
    def stac(self) -> str:
        return join(self.url, "stac")

    @property
    def comparisons(self) -> str:
        """Folder of the numbers, cells and differences of comparisons with other maps."""
        return join(self.url, "comparison")

    @property
    def catalog(self) -> str:
        return join(self.url, "catalog.yaml")

    @property
    def report(self) -> str:
        return join(self.url, "report.html")

    def ledger(self, step: str) -> str:
        """Folder of a step's records, one for each finished part."""
        return join(self.url, LEDGER, step)

    def next(self, step: str) -> str:
        """Where a step makes what will replace an earlier product."""
        return join(self.url, NEXT, step)

    def name_of(self, url: str) -> str:
        """A product's address as seen from the folder, which may be moved."""
        return url.removeprefix(join(self.url, ""))
