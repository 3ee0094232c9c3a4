"""ResNet-50: the published number of parameters, their names and shapes, the pyramid's sides."""

import torch

from textbcs.models.common.resnet import BLOCKS, ResNet


def test_full_width_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = ResNet(3)
    # torchvision's resnet50 has 25,557,032 parameters, its classifier 2048 * 1000 + 1000 of them.
    assert sum(p.numel() for p in model.parameters()) == 25_557_032 - 2_049_000 == 23_508_032


def test_parameters_have_torchvision_names_and_shapes() -> None:
    with torch.device("meta"):
        shapes = {name: tuple(p.shape) for name, p in ResNet(3).state_dict().items()}
    assert len(shapes) == 318  # the state dict of torchvision's resnet50 without fc
    expected = {
        "conv1.weight": (64, 3, 7, 7),
        "layer1.0.conv1.weight": (64, 64, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer1.2.bn3.running_var": (256,),
        "layer3.5.conv2.weight": (256, 256, 3, 3),
        "layer4.0.conv1.weight": (512, 1024, 1, 1),
        "layer4.0.downsample.0.weight": (2048, 1024, 1, 1),
        "layer4.2.conv3.weight": (2048, 512, 1, 1),
    }
    assert {name: shapes[name] for name in expected} == expected
    assert "layer4.3.conv1.weight" not in shapes


def test_maps_halve_and_widen() -> None:
    model = ResNet(1, width=4, blocks=(1, 2, 1, 1)).eval()
    maps = model(torch.rand(2, 1, 96, 64))
    assert [tuple(m.shape) for m in maps] == [
        (2, 4, 48, 32),
        (2, 16, 24, 16),
        (2, 32, 12, 8),
        (2, 64, 6, 4),
        (2, 128, 3, 2),
    ]
    assert model.map_channels == (4, 16, 32, 64, 128)


def test_last_stages_can_be_left_out() -> None:
    with torch.device("meta"):
        three = ResNet(3, blocks=BLOCKS[:3])
    assert three.map_channels == (64, 256, 512, 1024)
    assert not any(name.startswith("layer4") for name, _ in three.named_parameters())


def test_shortcut_carries_the_input_where_the_branch_is_zero() -> None:
    model = ResNet(1, width=2, blocks=(2,)).eval()
    block = model.get_submodule("layer1.1")
    torch.nn.init.zeros_(block.get_parameter("bn3.weight"))
    x = torch.rand(1, 8, 4, 4)
    assert torch.equal(block(x), x)
