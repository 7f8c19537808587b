"""What Jupyter shows of objects, as text and numbers of a table."""

import re

from icemap.cards import card, target_text, weights_text


def test_addresses_have_no_login_data_and_text_is_no_markup():
    made = card(
        "<b>Ice</b>", {"address": "https://ada:sesame@example.org/run?sig=1234", "a": "<i>"}
    )
    assert "sesame" not in made
    assert "1234" not in made
    assert "https://example.org/run" in made
    assert re.findall(r"<(?:b|i)>", made) == []
    assert "&lt;b&gt;Ice&lt;/b&gt;" in made


def test_what_is_not_known_has_no_row():
    assert card("Ice", {"sites": "", "unit": "%"}).count("<tr>") == 1


def test_words_of_weights_and_targets():
    assert weights_text({"sklearn.linear_model.Ridge": 1.0}) == "sklearn.linear_model.Ridge 1.00"
    assert weights_text({"random_forest": 0.519, "mean": 0.481}) == "random forest 0.52, mean 0.48"
    assert target_text("ice content", "%", (0.0, 100.0)) == "ice content (%), 0 to 100"
    assert target_text("porosity", "1", None) == "porosity"
