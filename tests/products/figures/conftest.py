"""The figure behind a picture, whose marks the tests read."""

import pytest

from icemap.products.figures import style


@pytest.fixture
def drawn(monkeypatch):
    """The figure objects behind the pictures that are made next."""
    kept: list = []
    save = style.saved

    def keep(figure, *args, **options):
        kept.append(figure)
        return save(figure, *args, **options)

    monkeypatch.setattr(style, "saved", keep)
    return kept
