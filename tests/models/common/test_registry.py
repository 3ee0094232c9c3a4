"""Names, full size, and configurations that cannot be built."""

import pytest
from test_contract import TEXTBCS

from textbcs.base.io import InputError
from textbcs.models.common import registry


def build(**changes):
    return registry.build({**TEXTBCS, **changes}, channels=3, image_size=64, text_dim=12)


def test_unknown_network_is_one_line():
    with pytest.raises(InputError, match=r"model = 'unetx': no such network; there are .*unet"):
        build(model="unetx")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"heads": 3}, "heads = 3"), ({"grid": 3}, "grid = 3"), ({"grid": 16}, "grid = 16")],
)
def test_values_that_do_not_fit_are_one_line(changes, message):
    with pytest.raises(InputError, match=message):
        build(**changes)


def test_image_size_must_be_halved_four_times():
    with pytest.raises(InputError, match="image size 40"):
        registry.build(TEXTBCS, channels=3, image_size=40, text_dim=12)


def test_full_size_lies_over_the_presets_values_and_keeps_the_switches():
    full = registry.full_size({**TEXTBCS, "svli": False, "grid": 2})
    assert (full["width"], full["grid"], full["svli"]) == (64, None, False)
