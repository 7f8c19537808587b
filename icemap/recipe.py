"""Which recipe an ensemble follows: icemap's, or that of Wang, Ran & Li (2026) as printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RecipeName = Literal["icemap", "published"]
FittedOn = Literal["in_sample", "out_of_fold"]

#: Members by default, and those of the published recipe.
MEMBER_NAMES = ("svr", "gam", "random_forest", "lightgbm")
#: Share of the cells that each replicate of the published recipe leaves out.
PUBLISHED_HELD_OUT = 0.1


@dataclass(frozen=True)
class Recipe:
    """What is done with the members.

    Attributes
    ----------
    name : {"icemap", "published"}
        As published: COP-BMA of the members alone, on the target as it is, every sample counted
        alike, weights by plain EM; no consensus, prior, quantile forest, Gaussian process,
        climatology or calibration; the interval is that of the replicates' means.
    fitted_on : {"in_sample", "out_of_fold"}
        Predictions of the members that COP-BMA is fitted to. icemap's are always out of fold.

    Examples
    --------
    >>> Recipe("published", "in_sample").in_sample, ICEMAP.published
    (True, False)
    """

    name: RecipeName = "icemap"
    fitted_on: FittedOn = "out_of_fold"

    @property
    def published(self) -> bool:
        return self.name == "published"

    @property
    def in_sample(self) -> bool:
        return self.fitted_on == "in_sample"

    @classmethod
    def of(cls, name: RecipeName, fitted_on: FittedOn | None = None) -> Recipe:
        """A recipe by its name; as printed, COP-BMA is fitted in-sample.

        Raises
        ------
        ValueError
            For icemap's recipe fitted in-sample, which it never is.
        """
        if name == "icemap" and fitted_on == "in_sample":
            raise ValueError(
                "fitted_on: in_sample contradicts recipe: icemap, which fits COP-BMA out of fold:"
                " remove it, or set recipe to published"
            )
        return cls(name, fitted_on or ("in_sample" if name == "published" else "out_of_fold"))


ICEMAP = Recipe()
