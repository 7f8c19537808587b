"""Names that icemap uses itself: the one list that predictors, masks and targets are checked
against.
"""

from __future__ import annotations

from icemap.errors import IcemapError

#: Name of the target by default, and what it means.
ICE, ICE_IN_WORDS = "vic", "volumetric ice content"
# Arrays and files of a Zarr group: the cube's own, a map's own, coordinates and metadata.
_GROUP = (
    *("valid", "fraction", "latitude", "longitude", "spatial_ref", "zarr.json"),
    *("dissimilarity", "aoa", "extrapolated", "overviews"),
)
# Columns of the training table, which the predictors stand in as well.
_SAMPLES = (
    *("sample", "cell_row", "cell_col", "lon", "lat", "value", "standard_error", "sites"),
    *("within_variance", "weight", "in_domain", "filled_from_km", "nugget", "pseudo"),
    "geometry",
)
RESERVED = frozenset({*_GROUP, *_SAMPLES})
# Zarr keeps what begins like this for itself, and so do the dimensions of places picked from a
# cube.
RESERVED_PREFIX = "__"


def in_words(target: str) -> str:
    """What a target is called where nobody says it.

    Examples
    --------
    >>> in_words("vic"), in_words("thaw_depth")
    ('volumetric ice content', 'thaw depth')
    """
    return ICE_IN_WORDS if target == ICE else target.replace("_", " ").strip()


def model_in_words(name: str) -> str:
    """The name of a member or another model for people; an import path is as it is.

    Examples
    --------
    >>> model_in_words("random_forest"), model_in_words("sklearn.linear_model.Ridge")
    ('random forest', 'sklearn.linear_model.Ridge')
    """
    return name if "." in name else name.replace("_", " ")


def name_problem(name: str) -> str | None:
    """Why a predictor, mask or target cannot have a name; None if it can.

    Examples
    --------
    >>> name_problem("elevation"), name_problem("aoa").split(":")[0]
    (None, "the name 'aoa' is taken")
    """
    if name not in RESERVED and not name.startswith(RESERVED_PREFIX):
        return None
    taken = ", ".join(sorted(RESERVED))
    return (
        f"the name '{name}' is taken: icemap uses {taken} and names beginning with"
        f" {RESERVED_PREFIX} itself, choose another one"
    )


def require_free_name(name: str, where: str) -> None:
    """Refuse a name that icemap uses itself.

    Raises
    ------
    IcemapError
        With ``where`` it stands.
    """
    problem = name_problem(name)
    if problem is not None:
        raise IcemapError(f"{where}: {problem}.")
