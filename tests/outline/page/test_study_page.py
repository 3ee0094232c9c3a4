"""`report.html` of an outline: what it shows, how large it may be, and what a real browser makes of it."""

import base64
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from browser import needs_browser, run, seen_by
from PIL import Image

from textbcs.outline.page import study_viewer
from textbcs.outline.page.study_page import render
from textbcs.outline.page.study_viewer import shown_share, thinning, viewer_data

DRIVER = (Path(__file__).parent / "study_driver.js").read_text(encoding="utf-8")
SHAPE = (7, 31, 32)
SHA = "ab" * 32


def outline(shown: str = "post1") -> Any:
    """A study of two phases whose marked block is in the middle, by hand; nothing is read."""
    draw = np.random.default_rng(3)
    pre = draw.uniform(0, 500, SHAPE).astype(np.float32)
    post = pre + 400
    mask = np.zeros(SHAPE, bool)
    mask[2:5, 9:14, 20:27] = True
    mask[3, 8, 21] = True
    grid = SimpleNamespace(shape=SHAPE, affine=np.diag([1.0, 2.0, 3.0, 1.0]))
    study = SimpleNamespace(
        files=SimpleNamespace(shown=shown, phases={"pre": None, "post1": None}),
        patient=SimpleNamespace(intensity=post if shown == "post1" else post - pre),
        grid=grid,
        phases=lambda: iter([("pre", pre), ("post1", post)]),
    )
    sure = np.where(mask, 0.9, 0.1).astype(np.float32)
    return SimpleNamespace(study=study, mask=mask, probability=sure, vacuity=1 - sure)


def summary(**changes: Any) -> dict[str, Any]:
    lesion = {
        "volume_ml": 0.64, "largest_diameter_mm": 14.2, "largest_in_plane_diameter_mm": 11.0,
        "side": "left", "centroid_lps_mm": [1.0, 2.0, 3.0], "slices": [3, 5],
    }  # fmt: skip
    return {
        "made_from": {"textbcs": "0.1.0", "input_sha256": "cd" * 32},
        "package": {"name": "textbcs_plus-s1", "sha256": SHA},
        "study": {
            "kind": "dicom", "phase": "post1", "shape": list(SHAPE), "spacing_mm": [3.0, 2.0, 1.0],
            "manufacturer": "<b>GE & Co", "field_strength_t": None,
        },
        "prompt": {
            "text": "location left; shape round; size small; number one", "source": "automatic",
            "stated": "location right; shape round; size small; number one", "automatic": "",
            "detector": {"wrong": {"location": 0.97}, "rejected": True, "reason": "why"},
        },
        "outline": {
            "volume_ml": 0.64, "largest_diameter_mm": 14.2, "largest_in_plane_diameter_mm": 11.0,
            "side": "left", "number_of_lesions": 1, "lesions": [lesion],
        },
        "uncertainty": {
            "mean_vacuity": None, "no_vacuity_because": "the network has no evidential head",
            "mean_entropy_bits": 0.31, "no_entropy_because": None, "temperature": 1.5,
        },
        "reliability": {"flag": "doubtful", "reasons": ["location is <probably> wrong"]},
        "notes": ["a note"],
        "not_for": "not a medical device; not for diagnosis or treatment",
        **changes,
    }  # fmt: skip


def pixels(address: str) -> Any:
    """A sheet as another reader decodes it."""
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
        return np.asarray(picture.convert("L"))


def piece(address: str, z: int, size: list[int]) -> Any:
    return pixels(address)[: size[0], z * size[1] : (z + 1) * size[1]]


def test_every_slice_of_every_phase_and_layer_is_there() -> None:
    found = outline()
    data = viewer_data(found)
    assert [one["name"] for one in data["phases"]] == ["pre", "post1"]
    assert (data["size"], data["step"], data["slices"]) == ([31, 32], 1, 7)
    assert data["aspect"] == pytest.approx(32 / 62, abs=1e-4)
    assert (data["start"], data["marked"]) == (3, [0, 0, 35, 36, 35, 0, 0])
    for z in range(7):
        marked = piece(data["layers"]["mask"], z, data["size"]) > 0
        assert (marked == found.mask[z]).all()
        share = piece(data["layers"]["probability"], z, data["size"]) / 255
        assert np.abs(share - found.probability[z]).max() <= 1 / 30 + 1e-3
    # One window for both phases: uptake is brightness.
    dark, bright = (piece(one["sheet"], 3, data["size"]).astype(int) for one in data["phases"])
    assert bright.mean() - dark.mean() > 60
    assert shown_share(data) == "Every slice of pre, post1, every voxel."


def test_a_phase_that_cannot_be_shown_is_said() -> None:
    found = outline()
    found.study.files.phases["post2"] = None
    told = shown_share(viewer_data(found))
    assert told.startswith(
        "Every slice of pre, post1 (not of post2: unreadable, or on another grid)"
    )


def test_a_subtraction_is_shown_beside_its_phases() -> None:
    data = viewer_data(outline("sub"))
    assert [one["name"] for one in data["phases"]] == ["sub", "pre", "post1"]


def test_a_large_study_keeps_its_slices_and_its_small_lesions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(study_viewer, "MOST_PIXELS", 11)
    found = replace_mask(outline())
    data = viewer_data(found)
    assert (data["step"], data["size"], data["slices"]) == (3, [11, 11], 7)
    mask = piece(data["layers"]["mask"], 6, data["size"])
    assert np.argwhere(mask > 0).tolist() == [[10, 10]]
    told = "31 x 32 voxels are shown as 11 x 11 pixels, each the mean of 3 x 3 voxels"
    assert told in shown_share(data)


def replace_mask(found: Any) -> Any:
    """One voxel, in the corner that does not fill a pixel."""
    found.mask[:] = False
    found.mask[6, 30, 31] = True
    return found


def test_the_page_is_bounded() -> None:
    """What the pictures hold together, before they are packed; noise packs to about half of it."""
    for shape, phases in (((160, 448, 448), 2), ((160, 448, 448), 6), ((900, 512, 512), 4)):
        step = thinning(shape, phases)
        shown = shape[0] * -(-shape[1] // step) * -(-shape[2] // step) * phases
        assert shown <= study_viewer.MOST_VOXELS
    assert thinning((160, 448, 448), 2) == 2
    assert thinning((10, 48, 48), 2) == 1


def test_shades_of_a_noisy_image_pack_to_the_stated_size() -> None:
    """20 MB for two phases of 160 slices: at most 10 MB / 160 a slice, with the noise of a scanner."""
    draw = np.random.default_rng(2)
    found = outline()
    noisy = draw.normal(300, 60, (8, 224, 224)).astype(np.float32)
    found.study.patient.intensity = noisy
    found.study.phases = lambda: iter([("post1", noisy)])
    ((_, shades),) = study_viewer.shown_phases(found.study, 1)
    sheet = study_viewer._sheet(study_viewer.grey_levels(shades), 8)
    assert len(sheet) / 8 < 10e6 / 160


def test_the_page_says_what_the_summary_says() -> None:
    text = render(summary(), viewer_data(outline()))
    for told in (
        "Not a medical device; not for diagnosis or treatment.",
        "1 lesion, left: 0.64 ml, largest diameter 14.2 mm.",
        "made from what a first pass without text found",
        "location is &lt;probably&gt; wrong",
        "a note",
        "&lt;b&gt;GE &amp; Co",
        SHA,
        "the network has no evidential head",
        "location 0.97",
        "not stated",
    ):
        assert told in text
    assert "<b>GE" not in text
    assert text == render(summary(), viewer_data(outline()))
    for outside in ("http://", "https://", "src=", 'href="/', "@import"):
        assert outside not in text.replace('<script src="', "")


def test_nothing_outlined_is_said() -> None:
    empty = dict.fromkeys(("largest_diameter_mm", "largest_in_plane_diameter_mm", "side"))
    nothing = {"volume_ml": 0.0, "number_of_lesions": 0, "lesions": [], **empty}
    prompt = {"text": "", "source": "none", "stated": None, "automatic": None, "detector": None}
    found = outline()
    found.mask[:] = False
    found.vacuity = None
    data = viewer_data(found)
    assert (data["layers"]["vacuity"], data["start"]) == (None, 3)
    text = render(summary(outline=nothing, prompt=prompt), data)
    assert "Nothing is outlined." in text
    assert "The network reads no prompt." in text


@needs_browser
def test_a_browser_scrolls_slices_and_phases_and_switches_layers(tmp_path: Path) -> None:
    data = viewer_data(outline())
    file = tmp_path / "report.html"
    page = render(summary(), data).replace("</body>", f"<script>{DRIVER}</script></body>")
    file.write_text(page, encoding="utf-8")
    seen = seen_by(run(tmp_path, "--virtual-time-budget=20000", "--dump-dom", file.as_uri()))
    assert seen["errors"] == []
    assert "CONSOLE" not in seen["log"]
    mark, picture, status = range(3)
    assert seen["size"] == [32, 31]
    value = int(piece(data["phases"][1]["sheet"], 3, data["size"])[2, 1])
    assert seen["pixel"] == [value, value, value, 255]
    assert seen["outline"] == [230, 159, 0, 255]
    assert seen["start"][status].startswith("Slice 4 of 7, from the feet up; post1, which the")
    assert "36 marked voxels" in seen["start"][status]
    pictures = [seen[name][picture] for name in ("start", "bare", "probability", "vacuity")]
    assert len(set(pictures)) == 4
    assert not seen["ticked"]
    assert seen["right"][status].startswith("Slice 5 of 7")
    assert seen["phase"][picture] != seen["right"][picture]
    assert seen["wheel"][mark] == "pre/3/vacuity"
