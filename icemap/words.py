"""What of a config and its catalogue is words: it stands in products, and no number depends on
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from icemap.addresses import shown
from icemap.names import ICE

if TYPE_CHECKING:
    from icemap.config import Config
    from icemap.config_sections import TargetConfig
    from icemap.source import Source

# Keys of the target; its unit and bounds are numbers.
TARGET_WORDS = {"name", "long_name"}
# Keys of the verification that only sort what the folds have found.
VERIFICATION_WORDS = {"classes"}
# Keys of the verification whose numbers no later step reads.
VERIFICATION_ALONE = {"competitors"}


def target_numbers(config: Config) -> dict[str, object]:
    """The target without its words. Its name is that of arrays and files, which the map depends
    on.
    """
    return config.target.model_dump(exclude=TARGET_WORDS)


def target_words(config: Config) -> dict[str, object]:
    """How the target is called."""
    return config.target.model_dump(include=TARGET_WORDS)


def preview_words(config: Config) -> list[str]:
    """What a preview says of itself; nothing for a map."""
    return [config.preview] if config.quick else []


def map_words(config: Config) -> dict[str, str | None]:
    """Attributes of a map for those who find it, after ACDD; None for what nobody has said."""
    target = config.target
    interval = (
        "the 95 % interval of its replicates"
        if config.ensemble.recipe == "published"
        else "a calibrated 95 % prediction interval"
    )
    return {
        "title": config.title,
        "summary": (
            f"{config.title}: {target.long_name} ({target.unit}) with {interval}, the spread of the"
            " ensemble and the area of applicability, from boreholes and gridded predictors."
        ),
        "creator_name": config.author or None,
        "license": config.licence or None,
        "references": config.citation or None,
        "keywords": ", ".join(keywords(target)),
    }


def keywords(target: TargetConfig) -> list[str]:
    """By which a map is found.

    Examples
    --------
    >>> from icemap.config_sections import TargetConfig
    >>> keywords(TargetConfig()), keywords(TargetConfig(name="thaw_depth", unit="cm"))
    (['permafrost', 'ground ice', 'volumetric ice content'], ['permafrost', 'thaw depth'])
    """
    is_ice = target.name == ICE or "ice" in target.long_name.lower().split()
    return ["permafrost", *(["ground ice"] if is_ice else []), target.long_name]


def pseudo_sites_words(count: int) -> str:
    """What a command, a page and a map say of pseudo-sites.

    Examples
    --------
    >>> pseudo_sites_words(1)
    '1 pseudo-site of bedrock (0-5 % ice): trained on, in no score and no count of boreholes'
    """
    return (
        f"{count} pseudo-site{'' if count == 1 else 's'} of bedrock (0-5 % ice): trained on, in no"
        " score and no count of boreholes"
    )


def source_words(sources: Mapping[str, Source]) -> dict[str, object]:
    """What the catalogue says of sources for people."""
    return {name: source.words() for name, source in sources.items()}


def class_words(sources: Mapping[str, Source]) -> dict[str, object]:
    """What the codes of classes are called."""
    return {name: source.classes for name, source in sources.items() if source.classes}


def table_words(config: Config) -> list[str]:
    """Names of the tables of sites or layers, which stand on the page about them."""
    if config.sites is not None:
        return [_name(config.sites.table)]
    assert config.boreholes is not None
    tables = [path for layer in config.boreholes.layers for path in layer.paths]
    bedrock = config.boreholes.bedrock
    further = [config.boreholes.permafrost_table, bedrock.table if bedrock is not None else None]
    return [_name(url) for url in (*tables, *further) if url]


def shown_settings(config: Config) -> dict[str, object]:
    """The settings as a report shows them: those that are not defaults, without folders of this
    machine.
    """
    return dict(
        _without_folders(
            config.model_dump(mode="json", exclude_defaults=True, exclude={"run", "catalog"})
        )
    )


def _without_folders(value: Any) -> Any:
    """Files by their names: where they are on the machine that made the map says nothing to a
    reader.
    """
    if isinstance(value, dict):
        return {key: _without_folders(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_folders(part) for part in value]
    if not isinstance(value, str):
        return value
    return _name(value) if value.startswith("/") else shown(value)


def _name(url: str) -> str:
    return url.rstrip("/").rsplit("/", 1)[-1]
