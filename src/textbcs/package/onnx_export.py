"""A packaged network as ONNX, for whoever runs it without Python; refused where its answers differ.

Inputs are `image` (n, channels, S, S), `tokens` (n, L, D) and `mask` (n, L); outputs `probability` (n, S, S)
and of a head with evidence `evidence` (n, 2, S, S). A network that reads no text has the image alone.
"""

import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textbcs.base.io import InputError, write_bytes
from textbcs.package.reading import Package

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from textbcs.models.common.contract import Segmenter

# Greatest difference of a probability, and of evidence relative to 1 + evidence, on an image of noise: the
# two runtimes sum in another order.
TOLERANCE = 1e-4
OPSET = 18
_SEED = 59
_SLICES = 3


def export(package: Package, path: Path) -> float:
    """Write a package's network as one ONNX file, if its outputs are those of the network.

    Args:
        package: whose network.
        path: the file.

    Returns:
        The greatest difference of a probability that was seen.

    Raises:
        InputError: what it takes is not installed, the network cannot be exported, or outputs differ by more
            than `TOLERANCE`.
    """
    _check_installed()
    model, table = package.network()
    text = table.texts[-1] if package.reads_text else ""
    inputs = _inputs(package, table.batch(table.rows([text, "", text])))
    expected = _answers(model, inputs)
    content = _exported(model, inputs, list(expected))
    difference = _compare(content, inputs, expected, package.name)
    write_bytes(path, content)
    return difference


def _check_installed() -> None:
    import importlib.util

    for name in ("onnx", "onnxscript", "onnxruntime"):
        if importlib.util.find_spec(name) is None:
            raise InputError(f"--onnx needs {name}; pip install 'textbcs[onnx]'")


def _inputs(package: Package, text: Any) -> "dict[str, torch.Tensor]":
    """Noise as the image, and prompts, by the name of the input."""
    import torch

    size = int(package.slices["size"])
    draw = torch.Generator().manual_seed(_SEED)
    image = torch.rand(_SLICES, package.channels, size, size, generator=draw)
    if not package.reads_text:
        return {"image": image}
    return {"image": image, "tokens": text.tokens, "mask": text.mask}


def _answers(model: "Segmenter", inputs: "dict[str, torch.Tensor]") -> "dict[str, NDArray[Any]]":
    import torch

    with torch.inference_mode():
        found = _wrapped(model)(*inputs.values())
    named = dict(zip(("probability", "evidence"), found, strict=False))
    return {name: one.numpy() for name, one in named.items()}


def _wrapped(model: "Segmenter") -> "torch.nn.Module":
    """The network with plain tensors in and out."""
    import torch

    from textbcs.models.common.contract import TextBatch

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = model

        def forward(
            self,
            image: torch.Tensor,
            tokens: torch.Tensor | None = None,
            mask: torch.Tensor | None = None,
        ) -> tuple[torch.Tensor, ...]:
            if tokens is None or mask is None:
                # Read by nobody: a network without text ignores it.
                tokens = image.new_zeros(image.shape[0], 1, 1)
                mask = tokens[..., 0] == 0
            found = self.network(image, TextBatch(tokens, mask))
            if found.evidence is None:
                return (found.probability,)
            return found.probability, found.evidence

    return Plain().eval()


def _exported(
    model: "Segmenter", inputs: "dict[str, torch.Tensor]", outputs: Sequence[str]
) -> bytes:
    """The bytes of the ONNX file, weights included."""
    import torch

    batch = torch.export.Dim("n", min=1, max=4096)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target = os.path.join(folder, "model.onnx")  # noqa: PTH118
        try:
            torch.onnx.export(
                _wrapped(model),
                tuple(inputs.values()),
                target,
                input_names=list(inputs),
                output_names=list(outputs),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                dynamic_shapes=tuple({0: batch} for _ in inputs),
                verbose=False,
            )
        except Exception as error:  # the exporter raises many kinds, all with the same meaning here
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"--onnx: this network cannot be exported ({reason})") from error
        return Path(target).read_bytes()


def _compare(
    content: bytes,
    inputs: "dict[str, torch.Tensor]",
    expected: "dict[str, NDArray[Any]]",
    name: str,
) -> float:
    """The greatest difference of a probability between the network and its ONNX file.

    Raises:
        InputError: an output differs by more than `TOLERANCE`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for slices in (_SLICES, 1):  # another number than the one with which it was exported
        given = {key: value[:slices].numpy() for key, value in inputs.items()}
        found = session.run(list(expected), given)
        for (output, value), other in zip(expected.items(), found, strict=True):
            wanted = value[:slices]
            scale = 1.0 if output == "probability" else 1.0 + np.abs(wanted)
            difference = float(np.max(np.abs(other - wanted) / scale))
            if not difference <= TOLERANCE:
                raise InputError(
                    f"--onnx: {output} of {name} differs by {difference:.1e} from the network's, allowed "
                    f"{TOLERANCE:g}; use the package itself"
                )
            worst = max(worst, difference) if output == "probability" else worst
    return worst
