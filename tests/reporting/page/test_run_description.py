from textbcs.reporting.page.run_description import method_facts


def test_a_method_is_described_by_what_it_reads_starts_from_and_is_built_of() -> None:
    counted = {
        "unet": {
            "reads_at_test": "image",
            "network": {"model": "unet", "width": 16},
            "initial": {"weights": "none"},
        },
        "clip": {
            "reads_at_test": "image and prompt",
            "network": {"heads": 2, "model": "clip", "window": None},
            "initial": {"weights": "w/vit.pt", "pretraining": {"epochs": 3}},
        },
    }
    headers, rows = method_facts(counted)
    assert headers[:3] == ["Method", "Reads at test", "First weights"]
    assert rows == [
        ["UNet", "image", "none", "no", "width 16"],
        ["CLIP", "image and prompt", "w/vit.pt", "yes", "heads 2, window None"],
    ]
