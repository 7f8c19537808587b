"""What tables of layers call kinds of ice, and which of them tell how much ice there is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Set

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from icemap.boreholes.records import QUANTITIES, Problems
from icemap.boreholes.row_columns import NO, YES
from icemap.boreholes.tables import Table
from icemap.boreholes.text import MISSING, as_text, is_numeric, words
from icemap.errors import IcemapError

# Words for kinds of ice, whatever blanks, dashes, capitals and plurals they are written with.
# Ground that is ice alone, or rock, says its ice content by itself. A massive cryostructure is not
# among them: it is soil without visible ice.
ICE_TYPES = {
    **dict.fromkeys(
        ("massive", "massive ice", "massive ground ice", "massive ice body", "massive ice bed"),
        "massive",
    ),
    **dict.fromkeys(
        ("tabular massive ice", "massive tabular ice", "massive tabular", "tabular massive"),
        "massive",
    ),
    **dict.fromkeys(
        ("ice massive", "massiveice", "pure ice", "ice wedge", "wedge ice", "wedge"), "massive"
    ),
    **dict.fromkeys(("bedrock", "bed rock", "rock"), "bedrock"),
    **dict.fromkeys(("pore", "pore ice", "interstitial", "interstitial ice"), "pore"),
    **dict.fromkeys(
        (
            "segregated",
            "segregated ice",
            "segregation ice",
            "ice lens",
            "ice lenses",
            "lens",
            "lenses",
        ),
        "segregated",
    ),
    **dict.fromkeys(("none", "no ice", "no", "no visible ice"), "none"),
}
# Headers of a column in which "massive" alone is soil without visible ice.
_CRYOSTRUCTURE = re.compile(r"cryo[\s_-]?(?:structure|texture)", re.IGNORECASE)
# Words that say ice and do not say how much of the layer it is.
_ICE = re.compile(
    r"(?:(?:ground|buried|glacier|clear|intrusive|injection|pingo|tabular|(?:thermokarst )?cave) )?"
    r"ice(?: ?(?:\+|w/|with\b|and\b).*)?|iw|tci|eis|eiskeil|glace(?: de coin)?|coin de glace"
    r"|(?:[а-яё]+ )*л[её]д|ледяная жила|(?:地下)?冰(?:楔)?"
)


def canonical_ice_types(column: pd.Series, problems: Problems, header: str) -> pd.Series:
    """``massive`` and ``bedrock`` in the one spelling that later steps know; other words as they
    are, in lower case.

    A word that is close to one of these, or holds one, is a problem: left alone it would cost the
    layer its ice in silence.

    Parameters
    ----------
    column : Series of str
        As it was read.
    problems : Problems
        Which words that are nearly right are added to.
    header : str
        Of the column in the file.
    """
    known: dict[str, str] = {}
    doubtful: set[str] = set()
    texts = as_text(column)
    said = texts.str.lower()
    if said.isin(YES | NO | MISSING).all():
        problems.add(
            said.isin(YES),
            f"{header} says yes or no and no kind of ice (write massive where the layer is ice"
            " alone, and leave the cell empty where it is not):",
            texts,
        )
    for text in texts.unique():
        plain = " ".join(word.removesuffix("s") for word in words(str(text)).split())
        # Matching is done on both forms, because a plural's s and that of a name look the same.
        unknown = "" if str(text).lower() in MISSING else str(text).lower()
        known[text] = ICE_TYPES.get(words(str(text)), ICE_TYPES.get(plain, unknown))
        if plain == "massive" and _CRYOSTRUCTURE.search(header):
            known[text] = "massive cryostructure"
            continue
        if known[text] not in ("massive", "bedrock") and _resembles(plain):
            doubtful.add(text)
    problems.add(
        texts.isin(doubtful), f"{header} is none of the ice types {', '.join(ICE_TYPES)}:", texts
    )
    return texts.map(known)


def require_amounts(layers: pd.DataFrame, problems: Problems, header: str) -> None:
    """Note layers that are said to be ice, and give no number and no kind of ice that tells one.

    Parameters
    ----------
    layers : DataFrame
        With ``ice_type`` in its known spelling, and all quantities.
    problems : Problems
    header : str
        Of the column of ice types in the file.
    """
    words_of = {text: words(str(text)) for text in layers["ice_type"].unique()}
    named = layers["ice_type"].map({text: bool(_ICE.fullmatch(w)) for text, w in words_of.items()})
    problems.add(
        named.astype(bool) & layers[list(QUANTITIES)].isna().all(axis=1),
        f"{header} says ice, and the row does not say how much (write massive where the layer is"
        " ice alone, a number where it is not, or leave the cell empty):",
        layers["ice_type"],
    )


def require_ice_where_told(table: Table, read: Set[str], without: NDArray[np.bool_]) -> None:
    """Refuse rows without ice, or without a number, that another column calls ice.

    Parameters
    ----------
    table : Table
    read : set of str
        Headers of the columns that are read.
    without : ndarray of bool, shape (rows,)
        Rows whose ice or water is 0, or not given.

    Raises
    ------
    IcemapError
        Naming the column, the row and the word.
    """
    for header in map(str, table.frame.columns):
        if header in read or is_numeric(table.frame[header]):
            continue
        texts = as_text(table.frame[header])
        ice = {
            text
            for text in texts[without].unique()
            # A massive cryostructure has no visible ice.
            if (ICE_TYPES.get(words(text)) == "massive" and words(text) != "massive")
            or _ICE.fullmatch(words(text))
        }
        wrong = texts.isin(ice).to_numpy(bool) & without
        if wrong.any():
            row = int(np.argmax(wrong))
            raise IcemapError(
                f"{table.file}, line {table.lines[row]}: the column '{header}' says"
                f" '{texts.iloc[row]}' of a row without ice or a number: write how much of it is"
                " ice (100 % where it is ice alone), or leave the row out."
            )


def _resembles(text: str) -> bool:
    parts = text.split()
    if "cryostructure" in parts or "structure" in parts or {"non", "not", "no"} & set(parts):
        return False
    return any(
        difflib.get_close_matches(part, ("massive", "bedrock"), cutoff=0.75) for part in parts
    )
