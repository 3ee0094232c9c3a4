"""Every method of the project comes out of its arrays as it went in."""

import numpy as np
import pytest
import torch

from textbcs.models.common.contract import TextBatch
from textbcs.models.common.registry import build, names
from textbcs.package.networks import built
from textbcs.package.package_schema import SCHEMA, schema_fault
from textbcs.settings.presets import read_preset

SIZE, TOKENS, DIMENSION = 48, 16, 12
PARAMS = read_preset("tiny")


@pytest.mark.parametrize("method", names())
def test_a_network_is_its_settings_and_its_arrays(method: str) -> None:
    network = PARAMS["methods"][method]["network"]
    assert schema_fault(network, SCHEMA["properties"]["network"]) is None
    torch.manual_seed(1)
    model = build(network, channels=3, image_size=SIZE, text_dim=DIMENSION).eval()
    # As the writer of tensors keeps them: a single number is a list of one.
    arrays = {key: np.ascontiguousarray(one.numpy()) for key, one in model.state_dict().items()}
    found = built(network, arrays, 3, SIZE, DIMENSION)
    image = torch.rand(1, 3, SIZE, SIZE)
    text = TextBatch(torch.rand(1, TOKENS, DIMENSION), torch.ones(1, TOKENS, dtype=torch.bool))
    with torch.inference_mode():
        expected, answer = model(image, text), found(image, text)
    assert torch.equal(answer.probability, expected.probability)
