"""Words that a page explains: the first mention of each is linked to a list at its end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

MARK = "<!-- words -->"


@dataclass(frozen=True)
class Word:
    """A term, how it is written in running text (a regular expression), and what it means."""

    term: str
    written: str
    meaning: str

    @property
    def anchor(self) -> str:
        """Where its line is."""
        return "word-" + re.sub(r"[^a-z0-9]+", "-", self.term.lower()).strip("-")


WORDS = (
    Word(
        "area of applicability (AOA)",
        r"area of applicability|AOA",
        "The part of the map whose predictors resemble those of some training site. Outside of it"
        " neither value nor interval is supported by data.",
    ),
    Word(
        "climatology",
        r"climatology",
        "The distribution of the training values alone, the same everywhere: what would be forecast"
        " without any predictor.",
    ),
    Word(
        "conformal",
        r"[Cc]onformal(?:ized)? quantiles?(?: regression)?",
        "An interval from a quantile regression, widened until it holds its share of samples that"
        " were not used for the fit.",
    ),
    Word(
        "COP-BMA",
        r"COP-BMA|copula-embedded Bayesian model average",
        "Copula-embedded Bayesian model averaging: each member's forecast is turned into a"
        " distribution by a copula, and the distributions are averaged with weights.",
    ),
    Word(
        "coverage",
        r"coverage of (?:the )?(?:intervals?|\d+ %)(?: interval)?|cover \d+ %",
        "Share of the observations that fall inside an interval. A calibrated 95 % interval covers"
        " 95 %.",
    ),
    Word(
        "CRPS",
        r"CRPS",
        "Continuous ranked probability score: mean distance between the forecast distribution and"
        " the observation, in the target's unit. Smaller is better; for a forecast of one number it"
        " is the mean absolute error.",
    ),
    Word(
        "delete-d jackknife",
        r"delete-d jackknife",
        "The spread of totals of ensembles that were each fitted without a random share of the"
        " sites, enlarged to what totals from new sites would differ by. Where two ensembles share"
        " their sites, what they differ by is the chance of fitting, which is not enlarged.",
    ),
    Word(
        "kappa",
        r"[Ww]eighted kappa|Kappa with quadratic weights",
        "Agreement of two classifications beyond that of chance: 1 is full, 0 that of chance."
        " Classes farther apart weigh more.",
    ),
    Word(
        "kNNDM",
        r"kNNDM",
        "Nearest-neighbour distance matching: cross-validation folds whose left-out sites are as"
        " far from the training sites as the cells of the map are.",
    ),
    Word(
        "kriging",
        r"[Kk]riging",
        "A Gaussian process over predictors and places.",
    ),
    Word(
        "leave-region-out",
        r"[Ll]eave-region-out",
        "Every region is predicted by a model that has seen none of its sites.",
    ),
    Word(
        "log score",
        r"log score",
        "Minus the logarithm of the forecast density at the observation. Smaller is better.",
    ),
    Word(
        "members",
        r"members",
        "The regression models that the ensemble averages.",
    ),
    Word(
        "nugget",
        r"nugget",
        "The spread between boreholes in one cell, which no predictor of the cell can explain.",
    ),
    Word(
        "PIT",
        r"PIT",
        "Probability integral transform: the forecast probability of a value below the observation."
        " Where forecasts are calibrated, all values from 0 to 1 are equally frequent.",
    ),
    Word(
        "quantile forest",
        r"quantile (?:regression )?forest",
        "A random forest whose trees give quantiles instead of means.",
    ),
    Word(
        "Gaussian process",
        r"Gaussian process",
        "A forecast from the sites that are like a place and those near it; kriging.",
    ),
    Word(
        "R²",
        r"R²",
        "Part of the variance of the observations that the forecasts explain; below 0 they are"
        " farther off than the mean of all.",
    ),
    Word(
        "replicates",
        r"replicates",
        "Repetitions of the whole fit on other random splits of the sites. Their mean is the map,"
        " and their spread says how much re-fitting moves it.",
    ),
    Word(
        "RMSE",
        r"RMSE",
        "Root mean square error, in the target's unit.",
    ),
    Word(
        "Shapley value",
        r"Shapley values?",
        "The contribution of one predictor to one prediction, shared out fairly among all"
        " predictors.",
    ),
    Word(
        "skill",
        r"skill against climatology",
        "1 − CRPS / CRPS of climatology: 100 % is perfect, 0 as good as climatology.",
    ),
    Word(
        "rank correlation",
        r"[Rr]ank correlation",
        "Spearman's correlation: whether one map is high where the other is, whatever the values.",
    ),
    Word(
        "standard error",
        r"[Ss]tandard error",
        "The standard deviation by which a site's value may differ from what it stands for.",
    ),
    Word(
        "variance inflation",
        r"[Vv]ariance inflation",
        "1 / (1 − R²) of a predictor from all others: how much the others blur its effect.",
    ),
    Word(
        "permafrost table",
        r"[Pp]ermafrost table",
        "The upper surface of the permafrost, below the layer that thaws in summer.",
    ),
    Word(
        "Winkler score",
        r"Winkler(?: score)?",
        "Width of an interval plus a penalty for observations outside: for 95 %, 40 times the"
        " distance by which one is missed. Smaller is better.",
    ),
)
# No links inside of these: what is a link or a cell of numbers already, or is no text.
_SKIPPED = ("script", "style", "svg", "title", "a", "td", "h1", "h2", "h3", "code", "summary", "b")
_PIECES = re.compile(
    "|".join(rf"<{tag}\b[^>]*>.*?</{tag}>" for tag in _SKIPPED) + r"|<!--.*?-->|<[^>]*>", re.DOTALL
)


# Words that were found, by number, until all of a text are: no word is looked for in a link.
_LINKED = re.compile("\x00(\\d+)\x01([^\x02]*)\x02")


def explained(page: str) -> str:
    """A page whose first mention of each word is linked to its line in a list at `MARK`.

    Words that the page does not have are not in the list; without any there is none.
    """
    head, body, rest = page.partition("<body>")
    if MARK not in rest:
        return page
    left = {word.anchor: word for word in WORDS}
    found: list[Word] = []

    def linked(text: str) -> str:
        for anchor in list(left):
            mention = re.search(rf"(?<![\w-])(?:{left[anchor].written})(?![\w-])", text)
            if mention:
                found.append(left.pop(anchor))
                marked = f"\x00{len(found) - 1}\x01{mention[0]}\x02"
                text = text[: mention.start()] + marked + text[mention.end() :]
        return _LINKED.sub(
            lambda mark: f'<a class="word" href="#{found[int(mark[1])].anchor}">{mark[2]}</a>',
            text,
        )

    pieces, at = [], 0
    for piece in _PIECES.finditer(rest):
        pieces += [linked(rest[at : piece.start()]), piece[0]]
        at = piece.end()
    pieces.append(rest[at:])
    lines = "".join(
        f'<dt id="{word.anchor}">{escape(word.term)}</dt><dd>{escape(word.meaning)}</dd>\n'
        for word in sorted(found, key=lambda word: word.term.lower())
    )
    section = f'<section class="words"><h2>Words</h2><dl>\n{lines}</dl></section>' if found else ""
    return head + body + "".join(pieces).replace(MARK, section)
