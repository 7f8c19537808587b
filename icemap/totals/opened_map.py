"""A finished map as its totals need it: opened once, with what the run says of its residual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from icemap.boreholes.table_units import unit_factor
from icemap.config_sections import TargetConfig
from icemap.gridded import grid_of
from icemap.json_records import StorageRecord, read_record
from icemap.mapping.map_schema import (
    HELD_OUT,
    open_map,
    require_complete,
    scope_of,
    splits_of,
    target_of,
)
from icemap.mapping.replicate_fields import StoredReplicates
from icemap.names import ICE
from icemap.run_folder import RunFolder
from icemap.store import exists
from icemap.totals.ice_totals import totals
from icemap.totals.residual_field import Variogram
from icemap.verification.interval_scope import IntervalScope

if TYPE_CHECKING:
    import xarray as xr

    from icemap.grid import Grid
    from icemap.mapping.sums import RegionSums

# Of the layer below the permafrost table that site values without layers are taken to describe.
THICKNESS_M = 5.0


def holds_ice(target: TargetConfig) -> bool:
    """True when the target is a volumetric ice content in per cent, so that its integral is a
    volume of ice.
    """
    return target.name == ICE and unit_factor(target.unit, "fraction") == 0.01


@dataclass(frozen=True)
class ResidualFacts:
    """What totals of other zones need of a run: the layer and its correlated residual.

    Attributes
    ----------
    thickness_m : float
        Of the layer that site values describe.
    variogram : Variogram, optional
        Of the residual; None where there are too few sites for one.
    sd : mapping of str to float
        Standard deviation of the residual's total by region (``"region / mask"`` for other masks
        than the permafrost fraction), target unit x km2.
    """

    thickness_m: float = THICKNESS_M
    variogram: Variogram | None = None
    sd: Mapping[str, float] = field(default_factory=dict)


def run_residual(map_url: str, **storage_options: Any) -> ResidualFacts:
    """What ``ice_storage.json`` next to a map holds; the defaults where there is none."""
    url = RunFolder.of_map(map_url).storage
    if not exists(url, **storage_options):
        return ResidualFacts()
    known = read_storage(url, **storage_options)
    variogram = known.get("residual_variogram")
    return ResidualFacts(
        float(known.get("thickness_m", THICKNESS_M)),
        Variogram(**variogram) if variogram else None,
        known.get("residual_sd", {}),
    )


def read_storage(url: str, **storage_options: Any) -> StorageRecord:
    """The content of an ``ice_storage.json``.

    Raises
    ------
    IcemapError
        If it is not what icemap wrote.
    """
    return read_record(
        url, StorageRecord, "delete it, and make it again with 'icemap storage'", **storage_options
    )


@dataclass(frozen=True)
class OpenedMap:
    """A map and what its totals are made with.

    Attributes
    ----------
    url : str
    dataset : xarray.Dataset
        The map, not loaded.
    target : TargetConfig
        What it maps.
    held_out : float or None
        Share of the sites that each replicate was trained without.
    splits : tuple of int or None
        Number of the split of each replicate; None of a map that does not say which share one.
    residual : ResidualFacts
        Of the run.
    storage_options : mapping
        What fsspec needs beyond the environment to read the map.
    """

    url: str
    dataset: xr.Dataset
    target: TargetConfig
    held_out: float | None
    splits: tuple[int, ...] | None
    residual: ResidualFacts
    storage_options: Mapping[str, Any]

    @classmethod
    def of(cls, url: str, **storage_options: Any) -> OpenedMap:
        """Open a map in its run folder, or a copy of it, whose residual is not known."""
        dataset = open_map(url, **storage_options)
        residual = run_residual(url, **storage_options)
        held_out, splits = dataset.attrs.get(HELD_OUT), splits_of(dataset)
        return cls(url, dataset, target_of(dataset), held_out, splits, residual, storage_options)

    @property
    def grid(self) -> Grid:
        return grid_of(self.dataset)

    @property
    def scope(self) -> IntervalScope:
        """What the interval of its cells holds in addition to the error of their means."""
        return scope_of(self.dataset)

    @property
    def thickness_m(self) -> float | None:
        """Of the layer whose ice is counted; None for targets other than ice."""
        return self.residual.thickness_m if holds_ice(self.target) else None

    def replicates(self) -> StoredReplicates:
        """The stored predictions of the replicates.

        Raises
        ------
        IcemapError
            If the map is unfinished, or was made without them.
        """
        # The ledger, which tells, is not part of a map that others were given.
        if not self.storage_options:
            require_complete(self.url)
        return StoredReplicates(self.url, **self.storage_options)

    def total(
        self, sums: RegionSums, residual_sd: float, thickness_m: float | None
    ) -> dict[str, float]:
        """Total of a region of this map; see `icemap.totals.ice_totals.totals`.

        Parameters
        ----------
        sums : RegionSums
        residual_sd : float
            Standard deviation of the residual's total, target unit x km2.
        thickness_m : float or None
            Of the layer whose ice is counted; None for a mean of the target.
        """
        return totals(
            sums,
            residual_sd,
            thickness_m,
            self.held_out,
            self.target.limits,
            self.splits,
            self.residual.variogram,
        )
