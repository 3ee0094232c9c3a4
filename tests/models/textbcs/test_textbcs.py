"""TextBCS's switches: with both off it is the UNet, to the last bit."""

import torch
from test_contract import CHANNELS, SIZE, TEXT, TEXTBCS, example

from textbcs.models.common import registry


def test_without_both_parts_it_is_the_unet():
    _, text, _ = example(2)
    image = torch.rand(2, CHANNELS, SIZE, SIZE)
    torch.manual_seed(0)
    unet = registry.build(
        {"model": "unet", "width": 8}, channels=CHANNELS, image_size=SIZE, text_dim=TEXT
    )
    torch.manual_seed(0)
    bare = registry.build(
        {**TEXTBCS, "svli": False, "evidential": False},
        channels=CHANNELS,
        image_size=SIZE,
        text_dim=TEXT,
    )
    assert unet.state_dict().keys() == bare.state_dict().keys()
    assert torch.equal(unet(image, text).probability, bare(image, text).probability)


def test_probability_is_alpha_over_strength():
    image, text, _ = example(2)
    model = registry.build(TEXTBCS, channels=CHANNELS, image_size=SIZE, text_dim=TEXT).eval()
    output = model(image, text)
    alpha = output.evidence + 1
    torch.testing.assert_close(output.probability, alpha[:, 1] / alpha.sum(1))
    z = output.logits.double() * TEXTBCS["evidence_gain"]
    expected = torch.log(1 + torch.exp(z))
    torch.testing.assert_close(output.evidence.double(), expected, rtol=1e-5, atol=1e-6)


def test_alignment_grid_is_a_sixteenth_of_the_image_and_14_at_224():
    for size, side in ((32, 2), (64, 4), (224, 14)):
        model = registry.build({**TEXTBCS, "width": 2}, channels=3, image_size=size, text_dim=12)
        output = model.train()(torch.rand(1, 3, size, size), example(1)[1])
        assert [values.shape for values in output.alignment] == [(1, side, side)] * 4


PLUS = {**TEXTBCS, "evidential": False, "deep_supervision": True}


def plus(**changes):
    torch.manual_seed(0)
    return registry.build({**PLUS, **changes}, channels=CHANNELS, image_size=SIZE, text_dim=TEXT)


def test_what_it_reads_follows_its_switch():
    bare = registry.build(
        {**TEXTBCS, "svli": False}, channels=CHANNELS, image_size=SIZE, text_dim=TEXT
    )
    assert (plus().reads, bare.reads) == ("image and prompt", "image")


def test_deep_supervision_sees_the_decoders_coarser_maps_and_only_while_training():
    image, text, _ = example(2)
    model = plus()
    heads = model.train()(image, text).auxiliary
    assert {name: values.shape for name, values in heads.items()} == {
        f"deep_{side}": (2, side, side) for side in (SIZE // 8, SIZE // 4, SIZE // 2)
    }
    assert not model.eval()(image, text).auxiliary


def test_deep_supervision_does_not_change_the_mask():
    image, text, _ = example(2)
    with_heads, without = plus().eval(), plus(deep_supervision=False).eval()
    without.load_state_dict(with_heads.state_dict(), strict=False)
    assert torch.equal(with_heads(image, text).logits, without(image, text).logits)
