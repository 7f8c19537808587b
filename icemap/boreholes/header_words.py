"""What the header of a column says that it holds, in the words and abbreviations of the field."""

from __future__ import annotations

import re

from icemap.boreholes.text import words
from icemap.errors import IcemapError

# Words in headers of published tables: English, French, German, Russian and Chinese, and the
# abbreviations of PANGAEA (wm and dm are wet and dry mass, WBD and DBD their densities) and of
# laboratories (GMC, VMC, EIC).
_BY_MASS = (
    r"\bgrav\b|gravim|by (?:weight|mass)|\bwt\b|\b[dw]m\b|\bg[mwi]c\b|massique|pondéral|gewicht"
    r"|\bgew\b|\bmasse|весов|массов|质量|重量|\bpeso\b|\bvekt|\bvikt"
    r"|\b(?:dry|wet|total) (?:basis|weight|mass|wt|soil|sediment|sample|matter)\b"
)
_BY_VOLUME = r"volum|\bvol\b|\bv[mw]c\b|объ[её]м|体积"
# Mw/Mt is a definition.
_WET_BASIS = (
    r"\bwet\b|\bwm\b|total (?:weight|mass)|feucht|humide|湿"
    r"|\bm ?[wi] ?/ ?m ?t(?:ot(?:al)?)?\b|\b(?:of|per) (?:the )?total (?:soil|sample|sediment)\b"
)
_EXCESS = r"\bexc(?:ess)?|\beic?\b|excès|überschuss|избыточн|过剩"
_VISIBLE = r"\bvisib|\bvisual\b|\bvi\b|sichtbar|видим|включени|可见"
_UNFROZEN = r"\bunfrozen\b|ungefror|незам[её]рз|未冻"
_LIMIT = (
    r"(?:liquid|plastic) limit|atterberg|fließgrenze|ausrollgrenze|limite de|текучест|раскатыван"
    r"|пластичност|[液塑]限"
)
_DRY = r"\bdry\b|\bdbd\b|sèche|trocken|скелет|сухо|干"
_WET = r"\b(?:wet|moist|saturated|thawed|frozen|wbd)\b|feucht|humide|мерзл|мёрзл|влажн|湿"
_SOLIDS = r"\b(?:particle|grain|solids?)\b|specific gravity|korndichte|частиц|颗粒"
_ELEVATION = r"\belev|\bel\b|altitude|\bm?a\.?s\.?l\b|höhe|\bcote\b|отметк|高程|海拔"
_THICKNESS = (
    r"thickness|\bheight|\blength\b|\brecovery\b|mächtigkeit|dicke\b|épaisseur|puissance"
    r"|мощност|толщин|厚"
)
_NO_DEPTH = (
    rf"{_ELEVATION}|below (?:the )?(?:permafrost table|active layer|frost table|thaw front|snow"
    r"|water|sea level|p[tf]\b|alt?\b)|\bbpt\b|\b(?:water|snow) depth"
    r"|depth (?:of )?(?:water|snow)\b"
    r"|\bcasing|\bb?toc\b|\bcollar|\brkb\b|stick ?up|(?:below|from) (?:the )?(?:lake |sea )?ice\b"
    r"|\b(?:in|within) (?:the )?(?:core )?(?:section|segment|drive|run|tube|liner|barrel)\b"
    r"|\boffset\b|\b(?:section|segment) depth"
)
_SATURATION = r"saturation|sättigung|\bsr\b|степень (?:влажн|заполн|насыщ|водонас)|водонасыщ|饱和"
_WATER = r"\bwater\b|moisture|\bv[mw]c\b|wasser|\beau\b|влажн|含水"
_ICE = r"\bice\b|\bvic\b|\beis|\bglace|льдист|\bл[её]д|冰"
_CLASS = r"\bclass(?:es)?\b|\bcodes?\b|\bcategor|\bklasse|\bкласс|\bscore\b|\brank\b"
_OF_THE_HOLE = r"(?:total|final) depth|depth of (?:the )?(?:bore)?hole|\bhole depth|\beoh\b"
# Ice in wedges is a part of all ice, unless it is counted with the rest.
_WEDGES = r"^(?!.*(?:\bincl|\bwith\b|\band\b|\+|&|\btotal\b)).*\bwedges?\b"
# Next to "mean" such words are of something else.
_STATISTIC = (
    r"^(?!.*(?:\bmean\b|\bav(?:era)?g)).*(?:\bm(?:ax|in)(?:imum|imal)?\b(?! depth)|\bs\.?[de]\.?\b"
    r"|\bstd(?:ev)?\b|standard (?:dev|err)|\bcv\b|\bvariance\b|\banomal|\bchange\b|\bdifference\b"
    r"|\bprobab|\blog10\b|\bln\b|\blog ?\(|\blog transformed)"
)
# Kinds of ice by how it formed, of which a site may be called by one.
KINDS_OF_ICE = re.compile(r"segregat\w*|\bpore ice|\b(?:ice )?wedges?\b")
_PORE, _FURTHER = r"pore(?: ice)?", rf"(?:{_EXCESS}|{_VISIBLE}|\bsegregat)\w*(?: ice)?"
_AND = r"\s*(?:\+|&|,|\band\b|\bplus\b)\s*"
# Ice in pores and that beyond them are all ice.
_BOTH = re.compile(rf"\b{_PORE}{_AND}{_FURTHER}|{_FURTHER}{_AND}{_PORE}\b(?! (?:space|volume))")
_DEPTH = "a depth below the surface"
# What a column holds, and words of headers that say that it is something else.
CONTRARY = {
    "gravimetric_water": (
        "water by dry mass",
        rf"{_WET_BASIS}|{_BY_VOLUME}|{_UNFROZEN}|{_LIMIT}|{_SATURATION}|\bvic\b|между .*включени",
    ),
    "volumetric_water": (
        "water by frozen volume",
        rf"{_BY_MASS}|{_EXCESS}|{_SATURATION}|{_UNFROZEN}|porosity|^(?!.*(?:{_WATER})).*(?:{_ICE})",
    ),
    "reported_vic": (
        "all ice by frozen volume",
        rf"{_EXCESS}|{_VISIBLE}|{_BY_MASS}|{_SATURATION}|{_CLASS}|{_UNFROZEN}|porosity|{_STATISTIC}"
        rf"|{_WEDGES}|\b(?:area|areal|coverage)\b|\bthickness\b"
        # Told as multiplied by the expansion of water, it is ice.
        r"|segregat|\bpore ice|water equiv(?!.*\b1[.,]0?9)|\bw\.?e\b|wasseräquiv"
        r"|équivalent (?:en )?eau|водн\w+ эквивалент"
        rf"|^(?!.*(?:{_ICE})).*(?:{_WATER})",
    ),
    "excess_ice": (
        "ice beyond the pores by frozen volume",
        rf"^(?!.*(?:{_EXCESS})).*(?:\btotal\b|\bvic\b|gesamt|суммарн|{_VISIBLE})"
        rf"|{_BY_MASS}|{_CLASS}",
    ),
    "visible_ice": ("ice that is seen by frozen volume", rf"{_EXCESS}|\bvic\b|{_BY_MASS}|{_CLASS}"),
    "porosity": (
        "pores by volume",
        rf"void ratio|porenzahl|indice des vides|коэффициент пористости|孔隙比|{_SATURATION}",
    ),
    "dry_density": (
        "dry mass by frozen volume",
        rf"^(?!.*(?:{_DRY})).*(?:{_WET}|\btotal\b)|{_SOLIDS}",
    ),
    "frozen_bulk_density": (
        "mass of all by frozen volume",
        rf"{_DRY}|\bthawed\b|{_UNFROZEN}|{_SOLIDS}",
    ),
    **dict.fromkeys(("top", "base"), (_DEPTH, rf"{_NO_DEPTH}|{_THICKNESS}")),
    "depth": (
        _DEPTH,
        rf"{_NO_DEPTH}|\bheight|{_OF_THE_HOLE}"
        r"|^(?!.*\b(?:top|from|interval|range)\b).*\b(?:bottom|bot)\b",
    ),
    "permafrost_table": (
        _DEPTH,
        rf"{_ELEVATION}|permafrost (?:thickness|base)|base of (?:the )?permafrost"
        r"|permafrostmächtigkeit|mächtigkeit des permafrost|épaisseur du pergélisol|подошв"
        r"|мощность (?:ммп|мерзл|мёрзл|многолет)|冻土厚度|\b(?:snow|water|bedrock)\b"
        rf"|{_OF_THE_HOLE}|borehole depth|\bmax(?:imum)? depth|sampl(?:e|ing) depth"
        r"|\b(?:peat|organic(?: layer| mat)?) (?:depth|thickness)",
    ),
    "frozen": (
        "yes where the ground was frozen",
        r"unfrozen|\bthaw|not frozen|ungefroren|aufgetaut|non gelé|талы|талое|融",
    ),
    "standard_error": (
        "one standard error in the unit of the value",
        r"\b9[059](?: ?%|\b)|\bci\d*\b|confid|konfiden|довер|\binterval|\brel(?:ative)?\b"
        r"|\b2 ?(?:σ|sigma|sd|se|std|st)|\bvar(?:iance)?\b|\bcv\b|coefficient of|\bn\b|\bcount\b"
        r"|\brange\b|\bmse\b",
    ),
}


def says_density(header: str) -> bool:
    """Whether a header of a density says dry, frozen or wet.

    Examples
    --------
    >>> says_density("dry_density [g/cm3]"), says_density("Bulk density [g/cm3]")
    (True, False)
    """
    return re.search(f"{_DRY}|{_WET}", words(header)) is not None


def require_header(file: str, name: str, header: str) -> None:
    """Refuse a column whose header says that it holds something else.

    Parameters
    ----------
    file : str
        As it may be shown.
    name : str
        icemap's name of the column.
    header : str
        As it is in the file.

    Raises
    ------
    IcemapError
        Naming the column, the word, and what to do.

    Examples
    --------
    >>> require_header("t.csv", "reported_vic", "Ice cont vol [%]")
    >>> require_header("t.csv", "reported_vic", "pore + segregated ice [%]")
    >>> require_header("t.csv", "gravimetric_water", "Water wm [%]")
    Traceback (most recent call last):
    icemap.errors.IcemapError: t.csv: the column 'Water wm [%]' is to be gravimetric_water, which is
    water by dry mass, but its header says something else ('wm'): convert the column and rename it,
    or name another one in the config.
    """
    meaning, pattern = CONTRARY.get(name, ("", r"(?!)"))
    told = words(header)
    said = re.search(pattern, _BOTH.sub("ice", told) if name == "reported_vic" else told)
    if said is None:
        return
    raise IcemapError(
        f"{file}: the column '{header}' is to be {name}, which is {meaning}, but its header says"
        f" something else ('{said[0].strip()}'): convert the column and rename it, or name another"
        " one in the config."
    )
