"""A packaged network as ONNX: another runtime gives the same answers, or nothing is written."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from packages import CHANNELS, SIZE, tiny_package

from textbcs.base.io import InputError
from textbcs.package import onnx_export
from textbcs.package.onnx_export import TOLERANCE, export
from textbcs.package.reading import read_package

NEEDED = ("onnx", "onnxscript", "onnxruntime")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
needs_onnx = pytest.mark.skipif(
    bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (pip install 'textbcs[onnx]')"
)
PROMPT = "location right; shape irregular; size large; number two"


@needs_onnx
@pytest.mark.parametrize("method", ["textbcs_plus", "textbcs", "unet"])
def test_another_runtime_gives_the_same_answers(tmp_path: Path, method: str) -> None:
    import onnxruntime

    package = read_package(tiny_package(tmp_path / "p", method))
    assert export(package, tmp_path / "m.onnx") <= TOLERANCE
    assert [path.name for path in tmp_path.iterdir() if "onnx" in path.name] == ["m.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    model, table = package.network()
    image = torch.rand(5, CHANNELS, SIZE, SIZE, generator=torch.Generator().manual_seed(3))
    text = table.batch(table.rows([PROMPT if package.reads_text else ""] * 5))
    with torch.inference_mode():
        expected = model(image, text)
    given = {"image": image, "tokens": text.tokens, "mask": text.mask}
    names = [one.name for one in session.get_inputs()]
    assert names == (list(given) if package.reads_text else ["image"])
    found = session.run(None, {name: given[name].numpy() for name in names})
    assert np.abs(found[0] - expected.probability.numpy()).max() <= TOLERANCE
    assert len(found) == (2 if package.has_evidence else 1)
    if expected.evidence is not None:
        assert np.allclose(found[1], expected.evidence.numpy(), rtol=1e-3, atol=1e-3)


@needs_onnx
def test_other_answers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = read_package(tiny_package(tmp_path / "p", "unet"))
    monkeypatch.setattr(onnx_export, "TOLERANCE", -1.0)
    with pytest.raises(InputError, match="probability of unet-s1 differs by"):
        export(package, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    package = read_package(tiny_package(tmp_path / "p", "unet"))
    with pytest.raises(InputError, match=r"--onnx needs onnx; pip install 'textbcs\[onnx\]'"):
        export(package, tmp_path / "m.onnx")
