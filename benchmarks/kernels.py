r"""The same bytes on other CPUs: what the pin of `textbcs.kernels` reaches, operator by operator.

One program runs natively and under CPUs that `qemu-x86_64` (Debian package qemu-user) emulates: Intel's,
AMD's and Hygon's, with other caches and other instructions. It hashes the bytes of every operator that
the project uses, forward and gradients; of the project's own functions (the phantom, resizing, prompts,
text, tests, calibration); and of each method's network of the default preset, at 96 px, after a training
step. The inputs come from whole numbers, so that no operator's difference enters another's. Then
everything once more without the pin, natively and on one emulated CPU: what does not differ there proves
nothing above.

    python benchmarks/kernels.py [--cpus Haswell EPYC-Rome] [--methods unet textbcs] [--quick]

Lines marked as exceptions are expected to differ: those functions of vectors of MKL's that start from the
CPU's own approximation of 1 / x or 1 / sqrt(x), which nothing pins and which the project must not use
(tests/test_approximations.py). qemu has no AVX-512, so a machine that has it is the one CPU with it here. An
emulated CPU takes about 4 minutes with all methods at a batch of 2, one without (`--methods` and no name),
half a minute with `--quick` (oneDNN's and MKL's products alone, and nothing is written). All operators come
first; `benchmarks/results/kernels.json` is written after every CPU, and `--resume` goes on with an
interrupted run, with the sources that it began with.
"""

from textbcs import kernels  # isort: skip  # before pipeline, whatever that loads

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import processor

from textbcs import io
from textbcs.params import read_yaml

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks/results/kernels.json"
EMULATOR, PACKAGE = "qemu-x86_64", "qemu-user"
KEPT = Path(tempfile.gettempdir()) / "textbcs-kernels"
HERE = "this machine"
CPUS = ("Haswell", "Cascadelake-Server", "EPYC-Rome", "Dhyana")  # emulated
QUICK = ("Haswell", "EPYC-Rome")
CONTROL = "Haswell"  # emulated without the pin
# Takes the pin away before anything loads numpy, then runs the program.
UNPINNED = """
import os, runpy, sys
from textbcs import kernels
for name in kernels.KERNELS:
    del os.environ[name]
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""
CACHES = (
    188,
    191,
    194,
)  # sysconf's numbers of the sizes of levels 1, 2 and 3, which Python does not name
EXCEPTIONS = "exceptions"  # the group of lines that are expected to differ

Parts = Mapping[str, Any]  # arrays, tensors and numbers by name
Line = tuple[str, Callable[[], Parts]]


# What is compared. Each line is computed where it is hashed; a group is imported where it runs.


def whole(*shape: int, seed: int = 0) -> "NDArray[Any]":
    """Multiples of 2^-20 in [-2, 2), float64 and float32 alike; the same on every CPU."""
    import numpy as np

    drawn = np.random.default_rng([seed, *shape]).integers(-(2**21), 2**21, shape)
    return np.asarray(drawn / 2**20)


def tensor(*shape: int, seed: int = 0) -> "Tensor":
    """`whole` as a float32 tensor."""
    import torch

    return torch.from_numpy(whole(*shape, seed=seed)).float()


def traced(function: Callable[..., "Tensor"], *inputs: "Tensor") -> dict[str, Any]:
    """The result of a function and the gradients of its inputs, for a fixed gradient of the result."""
    import torch

    learnt = [value.detach().clone().requires_grad_() for value in inputs]
    result = function(*learnt)
    torch.autograd.backward(result, tensor(*result.shape, seed=9).to(result.dtype))
    gradients = {f"gradient {number}": value.grad for number, value in enumerate(learnt, 1)}
    return {"forward": result, **gradients}


def through(module: "nn.Module", x: "Tensor", channels_last: bool = False) -> dict[str, Any]:
    """`traced` for a module with fixed parameters: the gradients of its input and its parameters."""
    import torch

    with torch.no_grad():
        for number, value in enumerate(module.parameters()):
            value.copy_(tensor(*value.shape, seed=number + 1) / 4)
    if channels_last:
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = x.contiguous(memory_format=torch.channels_last)
    found = traced(module, x)
    return found | {f"gradient of {k}": v.grad for k, v in module.named_parameters()}


def products() -> Iterator[Line]:
    """Linear layers, products of matrices, attention, convolutions."""
    import torch
    from torch import nn
    from torch.nn import functional

    from textbcs.models.blocks.linear import Linear

    shapes = [(1, 8, 4), (2, 16, 16), (3, 1, 1), (7, 5, 3), (16, 384, 384), (64, 384, 16)]
    shapes += [(72, 24, 96), (130, 33, 17), (290, 64, 192), (290, 256, 64), (2, 2304, 10)]
    shapes += [(4608, 16, 48), (1152, 512, 128)]
    for rows, inputs, outputs in shapes:
        x = tensor(rows, inputs)
        yield (
            f"blocks.linear {rows} x {inputs} to {outputs}",
            partial(through, Linear(inputs, outputs), x),
        )
    for rows, inputs, outputs in shapes:
        x = tensor(rows, inputs)
        yield (
            f"torch.nn.Linear {rows} x {inputs} to {outputs}",
            partial(through, nn.Linear(inputs, outputs), x),
        )
    yield (
        "blocks.linear of tokens, no bias",
        lambda: through(Linear(24, 96, bias=False), tensor(2, 37, 24)),
    )
    yield (
        "torch.nn.Linear, double",
        lambda: through(nn.Linear(40, 24).double(), tensor(30, 40).double()),
    )
    for n, m, k in [(5, 7, 3), (64, 64, 64), (130, 48, 300), (1, 512, 77)]:
        pair = (tensor(n, k), tensor(k, m, seed=1))
        yield f"matmul {n} x {k} x {m}", partial(traced, torch.matmul, *pair)
    doubles = (tensor(60, 50).double(), tensor(50, 40).double())
    yield "matmul, double", lambda: traced(torch.matmul, *doubles)
    yield (
        "matrix by vector",
        lambda: {"forward": tensor(90, 65) @ tensor(65), "dot": tensor(999) @ tensor(999, seed=1)},
    )
    for b, n, d in [(8, 36, 16), (6, 9, 8), (4, 145, 32)]:
        pair = (tensor(b, n, d), tensor(b, d, n, seed=1))
        yield f"bmm {b} x {n} x {d}", partial(traced, torch.bmm, *pair)
        yield f"einsum {b} x {n} x {d}", partial(traced, _einsum, *pair)
    for b, heads, n, d in [(2, 4, 36, 16), (2, 3, 9, 8), (2, 2, 145, 32), (1, 1, 5, 7)]:
        three = [tensor(b, heads, n, d, seed=seed) for seed in range(3)]
        yield (
            f"scaled_dot_product_attention {b} x {heads} x {n} x {d}",
            partial(traced, functional.scaled_dot_product_attention, *three),
        )
    for inputs, outputs, kernel, stride, side in [
        (3, 16, 3, 1, 48),
        (16, 32, 3, 1, 24),
        (16, 32, 3, 2, 24),
        (5, 7, 3, 1, 13),
        (128, 64, 3, 1, 6),
        (32, 8, 1, 1, 24),
        (64, 128, 1, 2, 12),
        (3, 64, 4, 4, 48),
        (3, 16, 7, 2, 48),
    ]:
        for last in (True, False):
            yield (
                f"convolution {inputs} to {outputs}, {kernel} x {kernel}, stride {stride}, "
                f"{side} px, {'channels_last' if last else 'contiguous'}",
                partial(
                    through,
                    nn.Conv2d(
                        inputs, outputs, kernel, stride, padding=kernel // 2 if kernel % 2 else 0
                    ),
                    tensor(2, inputs, side, side),
                    last,
                ),
            )
    for last in (True, False):
        yield (
            f"transposed convolution, {'channels_last' if last else 'contiguous'}",
            partial(through, nn.ConvTranspose2d(32, 16, 2, 2), tensor(2, 32, 9, 9), last),
        )
    image, line = tensor(2, 12, 20, 20), tensor(2, 16, 36)
    yield "convolution in groups", lambda: through(nn.Conv2d(12, 12, 3, groups=12), image)
    yield "convolution of a line", lambda: through(nn.Conv1d(16, 24, 3, padding=1), line)
    yield "convolution, double", lambda: through(nn.Conv2d(12, 8, 3).double(), image.double())


def _einsum(a: "Tensor", b: "Tensor") -> "Tensor":
    import torch

    return torch.einsum("bnd,bdm->bmn", a, b)


def layers() -> Iterator[Line]:
    """torch's own kernels: normalisation, elementwise functions, pools, random numbers, updates."""
    import torch
    from torch import nn
    from torch.nn import functional

    x, image = tensor(60, 999), tensor(2, 12, 24, 24)
    for last in (True, False):
        name = "channels_last" if last else "contiguous"
        for module in (nn.BatchNorm2d(12), nn.GroupNorm(3, 12), nn.InstanceNorm2d(12, affine=True)):
            yield f"{type(module).__name__}, {name}", partial(through, module, image, last)
    yield "BatchNorm1d", lambda: through(nn.BatchNorm1d(999), x)
    yield "LayerNorm", lambda: through(nn.LayerNorm(999), x)
    functions: dict[str, Callable[..., Tensor]] = {
        "softmax": lambda t: t.softmax(-1),
        "log_softmax": lambda t: t.log_softmax(-1),
        "logsumexp": lambda t: t.logsumexp(-1),
        "gelu": functional.gelu,
        "softplus": functional.softplus,
        "logsigmoid": functional.logsigmoid,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "erf": torch.erf,
        "exp": torch.exp,
        "cos": torch.cos,
        "sin": torch.sin,
        "leaky_relu": functional.leaky_relu,
        "normalize": lambda t: functional.normalize(t, dim=-1),
        "norm": lambda t: t.norm(dim=-1),
        "std": lambda t: t.std(-1),
        "var_mean": lambda t: torch.cat(torch.var_mean(t, dim=-1)),
        "sum and mean": lambda t: t.sum() + t.mean(0),
        "cumsum": lambda t: t.cumsum(-1),
        "quantile": lambda t: t.quantile(0.1, dim=1),
        "lerp": lambda t: torch.lerp(t, t.flip(0), t.abs() / 2),
        "power of a tensor": lambda t: (t.abs() + 0.1) ** (t.flip(1) + 2),
        "power 2.5": lambda t: (t.abs() + 0.1) ** 2.5,
        "log": lambda t: (t.abs() + 0.1).log(),
        "log1p": lambda t: t.abs().log1p(),
        "rsqrt": lambda t: (t.abs() + 0.1).rsqrt(),
        "power -0.5": lambda t: (t.abs() + 0.1) ** -0.5,
        "digamma": lambda t: torch.digamma(t.abs() + 1),
        "lgamma": lambda t: torch.lgamma(t.abs() + 1),
        "binary cross entropy": lambda t: functional.binary_cross_entropy_with_logits(
            t, (t.detach() > 0).to(t.dtype)
        ),
        "cross entropy": lambda t: functional.cross_entropy(t, torch.arange(60)),
    }
    for name, function in functions.items():
        yield name, partial(traced, function, x)
        if name != "log":  # one of the exceptions
            yield f"{name}, double", partial(traced, function, x.double())
    resized: dict[str, Callable[..., Tensor]] = {
        "bilinear": lambda t: functional.interpolate(t, size=(48, 48), mode="bilinear"),
        "bilinear, corners aligned": lambda t: functional.interpolate(
            t, scale_factor=2, mode="bilinear", align_corners=True
        ),
        "area": lambda t: functional.interpolate(t, size=(7, 7), mode="area"),
        "nearest": lambda t: functional.interpolate(t, scale_factor=2),
        "average pool": lambda t: functional.avg_pool2d(t, 2),
        "adaptive average pool": lambda t: functional.adaptive_avg_pool2d(t, 5),
        "adaptive maximum pool": lambda t: functional.adaptive_max_pool2d(t, 5),
        "maximum pool": lambda t: functional.max_pool2d(t, 3, 2, 1),
        "reflected edge": lambda t: functional.pad(t, (3, 3, 3, 3), mode="reflect"),
        "mean over places": lambda t: t.mean((2, 3)),
    }
    for name, function in resized.items():
        yield name, partial(traced, function, image)
        yield (
            f"{name}, channels_last",
            partial(traced, function, image.contiguous(memory_format=torch.channels_last)),
        )
    yield "random numbers", _drawn
    yield "first weights", _first_weights
    for kind, momentum in (("sgd", 0.9), ("adam", 0.0), ("adamw", 0.0)):
        yield f"{kind}, fused", partial(_updated, kind, momentum)
    yield "nnU-Net's augmentation", _augmented
    yield "bfloat16 (autocast)", _autocast


def _drawn() -> Parts:
    import torch
    from torch.nn import functional

    draw = torch.Generator().manual_seed(3)
    torch.manual_seed(4)
    return {
        "randperm": torch.randperm(999, generator=draw),
        "rand": torch.rand(999, generator=draw),
        "randn": torch.randn(999, generator=draw),
        "randn, few": torch.randn(7, generator=draw),
        "randint": torch.randint(9, (99,), generator=draw),
        "dropout": functional.dropout(tensor(40, 37), 0.3),
        "dropout of channels": functional.dropout2d(tensor(4, 9, 5, 5), 0.3),
        "bernoulli": torch.empty(99).bernoulli_(0.4, generator=draw),
    }


def _first_weights() -> Parts:
    import torch
    from torch import nn

    torch.manual_seed(5)
    drawn: dict[str, Callable[..., Tensor]] = {
        "trunc_normal_": lambda w: nn.init.trunc_normal_(w, std=0.02, a=-2.0, b=2.0),
        "xavier_uniform_": nn.init.xavier_uniform_,
        "kaiming_normal_": nn.init.kaiming_normal_,
        "kaiming_uniform_": nn.init.kaiming_uniform_,
        "normal_": nn.init.normal_,
    }
    values = {name: draw(torch.empty(33, 47)) for name, draw in drawn.items()}
    return values | {"a layer's own": nn.Conv2d(5, 9, 3).weight}


def _updated(kind: str, momentum: float, fused: bool = True) -> Parts:
    import torch

    from textbcs.training.optimizers import optimizer_of

    layer = torch.nn.Linear(37, 41)
    settings = {"optimizer": kind, "weight_decay": 0.01, "momentum": momentum, "nesterov": False}
    optimizer = optimizer_of(layer, settings)
    for group in optimizer.param_groups:
        group["lr"], group["fused"] = 0.01, fused
    with torch.no_grad():
        layer.weight.copy_(tensor(41, 37))
        layer.bias.copy_(tensor(41))
    for step in range(3):
        layer.weight.grad, layer.bias.grad = tensor(41, 37, seed=step), tensor(41, seed=step)
        optimizer.step()
    return {"weight": layer.weight, "bias": layer.bias}


def _augmented() -> Parts:
    from textbcs.training import augment_nnunet as nnunet

    image, wide = tensor(2, 3, 24, 24).abs(), tensor(2, 3, 1, 1).abs() / 2
    return {
        "noise": nnunet.with_noise(image, wide, tensor(2, 3, 24, 24, seed=1)),
        "blur": nnunet.blurred(image, wide + 0.5, wide + 0.7),
        "contrast": nnunet.contrasted(image, wide + 0.6),
        "resolution": nnunet.at_low_resolution(image, wide / 3 + 0.5),
        "gamma": nnunet.with_gamma(image, wide + 0.7),
    }


def _autocast() -> Parts:
    import torch
    from torch import nn

    with torch.autocast("cpu", dtype=torch.bfloat16):
        convolution = through(nn.Conv2d(6, 8, 3), tensor(2, 6, 12, 12))
        linear = through(nn.Linear(24, 40), tensor(30, 24))
    found = {f"convolution, {part}": value.float() for part, value in convolution.items()}
    return found | {f"linear, {part}": value.float() for part, value in linear.items()}


def exceptions() -> Iterator[Line]:
    """MKL's functions of vectors and what is made of them."""
    import torch

    x, positive = tensor(400, 500) / 2.1, tensor(400, 500).abs() + 0.1
    yield "torch.sqrt", partial(_single, torch.sqrt, positive)
    yield "x ** 0.5", lambda: {"forward": positive**0.5}
    for function in (torch.log2, torch.log10):
        yield f"torch.{function.__name__}", partial(_single, function, positive)
    for function in (torch.atan, torch.asin, torch.acos):
        yield f"torch.{function.__name__}", partial(_single, function, x)
    yield "torch.sqrt, double", partial(_single, torch.sqrt, positive.double())
    near = 0.5 + positive.double() / 2
    yield "torch.log, double", partial(_single, torch.log, near)
    yield "torch.tan, double", partial(_single, torch.tan, x.double())
    for kind in ("adam", "adamw"):
        yield f"{kind}, not fused", partial(_updated, kind, 0.0, fused=False)


def _single(function: Callable[..., "Tensor"], x: "Tensor") -> Parts:
    return {"forward": function(x)}


def arrays() -> Iterator[Line]:
    """numpy."""
    import numpy as np

    x, positive, square = whole(16, 999), np.abs(whole(16, 999)) + 0.1, whole(40, 40)
    functions: dict[str, Callable[[Any], Any]] = {
        name: getattr(np, name)
        for name in ("exp", "sin", "cos", "tan", "arctan", "tanh", "expm1", "cbrt", "exp2")
    }
    roots: dict[str, Callable[[Any], Any]] = {
        name: getattr(np, name) for name in ("log", "log1p", "log2", "log10", "sqrt")
    }
    for name, function in functions.items():
        yield f"numpy.{name}", partial(_both, function, x)
    for name, function in roots.items():
        yield f"numpy.{name}", partial(_both, function, positive)
    yield (
        "numpy.power",
        lambda: {"double": positive**x, "single": np.float32(positive) ** np.float32(x)},
    )
    yield "numpy.arctan2", lambda: {"double": np.arctan2(x, positive)}
    yield "numpy.logaddexp", lambda: {"double": np.logaddexp(0, x)}
    single = x.astype(np.float32)
    yield (
        "numpy sums",
        lambda: {
            "sum": x.sum(),
            "rows": x.sum(0),
            "single": single.sum(),
            "mean": single.mean(1),
            "std": x.std(ddof=1),
            "cumsum": x.cumsum(),
            "einsum": np.einsum("ij,ij->i", x, positive),
            "norm": np.linalg.norm(x, axis=1),
            "prod": positive.prod(1),
        },
    )
    yield (
        "numpy order",
        lambda: {
            "percentile": np.percentile(x, [0.1, 50, 99.9]),
            "quantile": np.quantile(single, [1 / 3, 2 / 3]),
            "sort": np.sort(x),
            "argsort": np.argsort(np.rint(x * 9), kind="stable"),
            "unique": np.unique(np.rint(x * 9), return_counts=True)[1],
            "searchsorted": np.searchsorted(np.sort(x[0]), x[1]),
            "median": np.median(x, axis=1),
            "bincount": np.bincount(np.arange(999) % 7, weights=x[0]),
            "histogram": np.histogram(x, bins=50)[1],
            "partition": np.partition(x, 50).sum(1),
        },
    )
    yield (
        "numpy products",
        lambda: {
            "matmul": x @ positive.T,
            "single": single @ single.T,
            "dot": x[0] @ x[1],
            "vector": square @ x[0, :40],
            "tensordot": np.tensordot(whole(5, 6, 7), whole(7, 8), 1),
        },
    )
    yield (
        "numpy.linalg",
        lambda: {
            "svd": np.linalg.svd(square)[1],
            "eigh": np.concatenate([v.ravel() for v in np.linalg.eigh(square @ square.T)]),
            "lstsq": np.linalg.lstsq(whole(60, 7), whole(60), rcond=None)[0],
            "inv": np.linalg.inv(square),
            "det": np.linalg.det(square[:3, :3]),
            "qr": np.linalg.qr(square)[0],
            "solve": np.linalg.solve(square, square[0]),
            "norm of rows": np.linalg.norm(square, ord=-2),
        },
    )
    yield "numpy.random", _numbers


def _both(function: Callable[[Any], Any], x: Any) -> Parts:
    return {"double": function(x), "single": function(x.astype("float32"))}


def _numbers() -> Parts:
    import numpy as np

    draw = np.random.default_rng([31, 7])
    return {
        "normal": draw.standard_normal(999),
        "single": draw.standard_normal(999, dtype=np.float32),
        "uniform": draw.random(999),
        "integers": draw.integers(0, 99, 999),
        "multinomial": draw.multinomial(50, np.full(50, 1 / 50), 99),
        "permutation": draw.permutation(99),
        "choice": draw.choice(9, 99, p=np.arange(1, 10) / 45),
        "gamma": draw.gamma(2.0, 3.0, 99),
        "poisson": draw.poisson(3.0, 99),
        "lognormal": draw.lognormal(0.0, 0.4, 99),
    }


def science() -> Iterator[Line]:
    """scipy and scikit-image."""
    import numpy as np
    from scipy import ndimage, optimize, special, stats
    from skimage import filters, measure

    volume, image = whole(9, 40, 44), whole(48, 52).astype(np.float32)
    smooth = ndimage.uniform_filter(whole(64, 64), 9)
    mask = smooth > 0
    x, positive = whole(300), np.abs(whole(300)) + 0.1
    yield (
        "scipy.ndimage filters",
        lambda: {
            "gaussian": ndimage.gaussian_filter(volume, 1.3),
            "gaussian, single": ndimage.gaussian_filter(image, (0.4, 1.1), mode="nearest"),
            "uniform": ndimage.uniform_filter(volume, 3),
        },
    )
    places = np.abs(whole(2, 500)) * 20
    yield (
        "scipy.ndimage resampling",
        lambda: {
            "zoom": ndimage.zoom(volume, (1.0, 0.7, 1.4), order=1),
            "zoom, cubic": ndimage.zoom(image, 1.3),
            "map_coordinates": ndimage.map_coordinates(image, places, order=1, mode="nearest"),
            "affine": ndimage.affine_transform(image, [[0.9, 0.1], [-0.1, 1.1]]),
        },
    )
    yield (
        "scipy.ndimage of masks",
        lambda: {
            "distance": ndimage.distance_transform_edt(mask, sampling=(0.7, 1.1)),
            "label": ndimage.label(mask, structure=np.ones((3, 3)))[0],
            "erosion": ndimage.binary_erosion(mask),
            "holes": ndimage.binary_fill_holes(mask),
        },
    )
    functions = {
        name: getattr(special, name)
        for name in ("digamma", "gammaln", "ndtr", "ndtri", "expit", "xlogy", "erf", "betainc")
    }
    share = np.clip(positive / 3, 0, 1)
    arguments = {"xlogy": (share, share), "ndtri": (share,), "betainc": (positive, 2.0, share)}
    yield (
        "scipy.special",
        lambda: {name: f(*arguments.get(name, (positive,))) for name, f in functions.items()},
    )
    yield (
        "scipy.stats",
        lambda: {
            "ttest_1samp": stats.ttest_1samp(x[:40] + 0.1, 0).pvalue,
            "wilcoxon": stats.wilcoxon(x[:40] + 0.1).pvalue,
            "wilcoxon, exact": stats.wilcoxon(x[:12] + 0.1).pvalue,
            "rankdata": stats.rankdata(np.rint(x * 5)),
            "t": stats.t.ppf([0.025, 0.975], 12.5),
            "spearmanr": stats.spearmanr(x, positive).statistic,
            "bootstrap": list(
                stats.bootstrap(
                    (x[:40],), np.mean, n_resamples=999, method="BCa", rng=np.random.default_rng(3)
                ).confidence_interval
            ),
        },
    )
    yield (
        "scipy.optimize",
        lambda: {
            "bounded": optimize.minimize_scalar(
                lambda t: float(np.logaddexp(0, x * np.exp(-t)).mean()) + t * t / 9,
                bounds=(-4, 4),
                method="bounded",
                options={"xatol": 1e-6},
            ).x,
            "BFGS": optimize.minimize(lambda t: float(((t - x[:4]) ** 2).sum()), x[4:8]).x,
        },
    )
    yield (
        "scikit-image",
        lambda: {
            "otsu": filters.threshold_otsu(smooth),
            "regions": [
                (r.area, *r.centroid, r.solidity, r.eccentricity, r.perimeter)
                for r in measure.regionprops(measure.label(mask, connectivity=2))
            ],
        },
    )


def functions() -> Iterator[Line]:
    """The project's own functions, from the phantom to the tests of significance."""
    import numpy as np

    from textbcs.cohort.phantom_patient import make_patient
    from textbcs.cohort.phantom_settings import Settings
    from textbcs.evaluation import calibration, dirichlet, significance, statistics
    from textbcs.evaluation.lesions import count_lesions
    from textbcs.evaluation.surfaces import surfaces
    from textbcs.prompts.derive import measure_lesions
    from textbcs.slices.laterality import midline
    from textbcs.slices.resize import SquareGrid, clip_to_unit
    from textbcs.text.encoders import embed

    settings = Settings.of(read_yaml(ROOT / "presets/phantom.yaml")["phantom"])
    for index in (1, 2):
        yield f"phantom's patient {index}", partial(_patient, settings, index)
    patient = make_patient(settings, 2)
    volume, there = patient.phases[1], patient.mask
    middle = int(np.argmax(there.sum((1, 2))))
    grid = SquareGrid((128, 128), (2.8, 2.7), 96)

    def sliced() -> Parts:
        unit = clip_to_unit(volume, [0.1, 99.9])
        small, mask = grid.image(unit[middle]), grid.mask(there[middle])
        lesions = measure_lesions(mask, (grid.spacing, grid.spacing), 20.0)
        assert lesions is not None
        return {
            "unit": unit,
            "image": small,
            "mask": mask,
            "native": grid.to_native(small),
            "midline": midline(unit),
            "lesions": [lesions.area_mm2, lesions.solidity, lesions.eccentricity],
        }

    yield "a slice", sliced
    found = np.roll(there[middle], 2, axis=1)
    yield (
        "metrics of a slice",
        lambda: {
            "surfaces": [
                *(s := surfaces(found, there[middle], (2.8, 2.7), (3.0, 6.0))).nsd,
                s.hd95_mm,
                s.assd_mm,
            ],
            "lesions": list(vars(count_lesions(found, there[middle], 4, 0.1)).values()),
        },
    )
    first, second = np.abs(whole(60)), np.abs(whole(60, seed=1))
    away = first - second
    yield (
        "tests of significance",
        lambda: {
            "interval": list(vars(statistics.mean_interval(first, 1999, 3, 0.95)).values()),
            "t": significance.paired_t(away),
            "wilcoxon": significance.wilcoxon(away),
            "sign flip": significance.sign_flip(away, 1999, 3),
            "all sign flips": significance.sign_flip(away[:9], 1999, 3),
            "dz": list(vars(significance.cohen_dz(away, 1999, 3, 0.95)).values()),
            "delta": list(vars(significance.cliffs_delta(first, second, 1999, 3, 0.95)).values()),
        },
    )
    odds, truth = whole(4, 900) * 3, whole(4, 900, seed=1) > 0.4

    def calibrated() -> Parts:
        temperature = calibration.fit_temperature(odds, truth)
        p = calibration.scaled(odds, temperature)
        bins = calibration.reliability(p, truth, 15)
        return {
            "temperature": temperature,
            "probability": p,
            "reliability": bins.probability,
            "nll": calibration.negative_log_likelihood(p, truth),
            "brier": calibration.brier(p, truth),
            "auroc": calibration.auroc(p, truth),
            "precision": calibration.average_precision(p, truth),
            "aurc": calibration.aurc(first, second),
        }

    yield "calibration", calibrated
    evidence, several = np.abs(whole(2, 2, 20, 20)).astype(np.float32), first.reshape(4, 15) / 2
    yield (
        "uncertainty",
        lambda: {
            **vars(dirichlet.uncertainty(evidence)),
            **{f"{k} of several": v for k, v in dirichlet.ensemble(several).items()},
        },
    )
    options = {"encoder": "minilm", "directory": "", "max_tokens": 16}
    text = "left breast, one round tumour"
    yield "text encoder", lambda: {"tokens": embed([text, "both"], options).tokens}


def _patient(settings: Any, index: int) -> Parts:
    from textbcs.cohort.phantom_patient import make_patient

    made = make_patient(settings, index)
    return {
        "phases": made.phases,
        "mask": made.mask,
        "anatomy": made.anatomy.base,
        "gain": made.anatomy.gain,
    }


def trainings(names: Sequence[str], params: Mapping[str, Any], batch: int) -> Iterator[Line]:
    """Each method's network: first weights, steps of training, probabilities; and pre-trainings."""
    from textbcs.models import registry

    for name in names:
        yield name, partial(_trained, params, name, batch)
        config = params["methods"].get(name, {})
        if config.get("initial", {}).get("pretraining"):
            assert hasattr(registry.package(config["network"]["model"]), "Contrastive")
            yield f"{name}, pre-training", partial(_pretrained, params, name, batch)


def _trained(params: Mapping[str, Any], name: str, batch: int) -> Parts:
    import torch
    from training import TEXT

    from textbcs.models import registry
    from textbcs.models.inference import infer
    from textbcs.models.variants import configuration
    from textbcs.training.loop import Run

    config, size = configuration(params, name), params["slices"]["size"]
    settings = {**params["training"], **config["training"], "batch_size": batch}
    split = _split(batch, size)
    torch.manual_seed(1)
    model = registry.build(config["network"], channels=3, image_size=size, text_dim=TEXT)
    model.start_at(float(settings["foreground_prior"]))
    objective = registry.objective(config["network"]["model"], config["loss"])
    parts = {"first weights": list(model.state_dict().values())}
    parts = {name: [value.clone() for value in values] for name, values in parts.items()}
    run = Run(model, settings, objective, split, split, 3, seed=1)
    parts |= _step(run)
    outputs = infer(model, split.image, split.prompts, split.prompt, channels=3, batch_size=batch)
    return parts | {"probability": [output.probability for output in outputs]}


def _pretrained(params: Mapping[str, Any], name: str, batch: int) -> Parts:
    import torch
    from training import TEXT

    from textbcs.models import registry
    from textbcs.training.contrastive import ContrastiveRun

    config, size = params["methods"][name], params["slices"]["size"]
    settings = {**params["training"], **config["initial"]["pretraining"], "batch_size": batch}
    torch.manual_seed(1)
    package = registry.package(config["network"]["model"])
    model = package.Contrastive(
        config["network"], settings, channels=3, image_size=size, text_dim=TEXT
    )
    split = _split(batch, size)
    return _step(ContrastiveRun(model, settings, split, split, 3, 1))


def _step(run: Any) -> dict[str, Any]:
    """A step of a training: the loss, the optimiser's state (the gradients), the weights."""
    run.epoch = 1
    run.model.train()
    loss, _ = run.one_step(run.train_split.prompt, 0.002)
    state = run.optimizer.state_dict()["state"]
    return {
        "loss": loss,
        "optimiser": [value for one in state.values() for value in one.values() if value.dim()],
        "weights": list(run.model.state_dict().values()),
    }


def _split(count: int, size: int) -> Any:
    """Slices of whole numbers with a disc each, with prompts that differ."""
    import torch
    from training import TEXT, TOKENS

    from textbcs.models.prompttable import PromptTable
    from textbcs.training.data import Split

    mask = torch.arange(TOKENS) < 5 + torch.arange(count)[:, None]
    tokens = tensor(count, TOKENS, TEXT) * mask[..., None]
    place = torch.arange(size, dtype=torch.float32)
    inside = ((place[:, None] - size / 3) ** 2 + (place - size / 2) ** 2) < (size / 8) ** 2
    return Split(
        tuple(map(str, range(count))),
        (tensor(count, size, size).abs() / 4 + inside / 2).half(),
        inside.expand(count, -1, -1).to(torch.uint8).contiguous(),
        torch.arange(count),
        torch.arange(count).flip(0),
        PromptTable([str(row) for row in range(count)], tokens, mask),
        torch.zeros(count, 4, dtype=torch.int64),
    )


GROUPS: dict[str, Callable[[], Iterator[Line]]] = {
    "products": products,
    "layers": layers,
    EXCEPTIONS: exceptions,
    "numpy": arrays,
    "scipy and scikit-image": science,
    "the project's functions": functions,
}


# The program: one CPU.


def program(options: argparse.Namespace) -> None:
    """Compute everything and print a row each: group, line, part and the sha256 of the bytes."""
    if options.program == "pinned" and kernels.fault():
        sys.exit(kernels.fault())
    import numpy as np
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    targets = np.lib.introspect.opt_func_info()
    facts = {
        "caches": [os.sysconf(number) for number in CACHES],
        "avx512": torch.cpu._is_avx512_supported(),
        "numpy": sorted({t["current"] for kinds in targets.values() for t in kinds.values()}),
        "torch": torch.backends.cpu.get_cpu_capability(),
    }
    print("facts", json.dumps(facts), flush=True)
    for group in options.groups:
        for name, compute in GROUPS[group]():
            report(group, name, compute)
    params = read_yaml(ROOT / "presets/phantom.yaml")
    for name, compute in trainings(options.methods or [], params, options.batch):
        report("networks", name, compute)


def report(group: str, name: str, compute: Callable[[], Parts]) -> None:
    """Print the rows of a line."""
    for part, value in compute().items():
        row = {"group": group, "line": name, "part": part, "sha256": digest(value)}
        print("row", json.dumps(row), flush=True)


def digest(value: Any) -> str:
    """Of the bytes of a tensor, an array, a number, or several of them, and their shapes."""
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor):
        value = value.detach().contiguous().numpy()
    if isinstance(value, list | tuple) and any(isinstance(one, torch.Tensor) for one in value):
        return hashlib.sha256("".join(map(digest, value)).encode()).hexdigest()
    array = np.ascontiguousarray(value)
    assert array.dtype != object, "no numbers"
    head = f"{array.dtype} {array.shape}".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()


# The comparison.


def run_on(cpu: str, pinned: bool, part: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run a part of the program, "operators" or "networks", on one CPU, unless that was done.

    Returns:
        `cpu`, `pinned`, `part`, `facts`, `cpu_seconds` and `rows`: sha256 by group, line and part.
    """
    label = f"{cpu}{'' if pinned else ', not pinned'}"
    kept = options.folder / f"{part}, {label}.json"
    if kept.is_file():
        print(f"{label}: {part} are here already", flush=True)
        found: dict[str, Any] = io.read_json(kept)
        return found
    source = options.folder / "source"
    command = [sys.executable, *([] if pinned else ["-c", UNPINNED])]
    command += [str(source / "benchmarks/kernels.py"), "--batch", str(options.batch)]
    command += ["--program", "pinned" if pinned else "unpinned"]
    command += ["--methods", *(options.methods if part == "networks" else [])]
    command += ["--groups", *(options.groups if part == "operators" else [])]
    if cpu != HERE:
        command = [EMULATOR, "-cpu", cpu, *command]
    own = {k: v for k, v in os.environ.items() if k not in kernels.KERNELS}
    own["PYTHONPATH"] = str(source / "src")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows, facts, said = [], {}, []
    with subprocess.Popen(
        command, env=own, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for text in process.stdout:
            kind, _, value = text.partition(" ")
            if kind == "facts":
                facts = json.loads(value)
            elif kind == "row":
                rows.append(json.loads(value))
                if (
                    len(rows) == 1
                    or rows[-1]["group"] != rows[-2]["group"]
                    or rows[-1]["part"] == "loss"
                ):
                    print(f"  {label}: {rows[-1]['group']}, {rows[-1]['line']}", flush=True)
            else:
                said.append(text)
    if process.returncode:
        sys.exit(f"{label}: ended with {process.returncode}\n{''.join(said[-12:])}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(f"{label}: {len(rows)} rows of {part} in {seconds} CPU seconds", flush=True)
    found = {"cpu": cpu, "pinned": pinned, "part": part, "facts": facts, "cpu_seconds": seconds}
    found["rows"] = rows
    io.write_json(kept, found)
    return found


def frozen(folder: Path) -> None:
    """A copy of the sources: others may change them while this runs."""
    for name in ("src", "presets", "benchmarks"):
        ignored = shutil.ignore_patterns("__pycache__", "results", "*.egg-info")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)


def compared(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row each: its bytes on this machine, and where they are others, with the pin and without."""
    bytes_of: dict[tuple[str, ...], dict[tuple[str, bool], str]] = {}
    for run in runs:
        for row in run["rows"]:
            key = (row["group"], row["line"], row["part"])
            bytes_of.setdefault(key, {})[run["cpu"], run["pinned"]] = row["sha256"]
    rows = []
    for (group, line, part), found in bytes_of.items():
        own = found[HERE, True]
        bare = [value for (_, pinned), value in found.items() if not pinned]
        rows.append(
            {
                "group": group,
                "line": line,
                "part": part,
                "sha256": own,
                "cpus": sum(pinned for _, pinned in found),
                "differs_on": [cpu for (cpu, pin), v in found.items() if pin and v != own],
                "unpinned_equal": len(set(bare)) == 1 if len(bare) > 1 else None,
            }
        )
    return rows


def summary(rows: Sequence[Mapping[str, Any]], cpus: int) -> dict[str, Any]:
    """How many are equal on so many CPUs, the exceptions apart; of an unfinished run fewer are known."""
    own = [row for row in rows if row["group"] != EXCEPTIONS]
    others = [row for row in rows if row["group"] == EXCEPTIONS]
    return {
        "rows": len(own),
        "lines": len({(row["group"], row["line"]) for row in own}),
        "cpus": cpus,
        "rows_on_all_cpus": sum(row["cpus"] == cpus for row in own),
        "equal_on_all_cpus": sum(row["cpus"] == cpus and not row["differs_on"] for row in own),
        "differ": sorted({f"{row['group']}: {row['line']}" for row in own if row["differs_on"]}),
        "rows_run_without_the_pin": sum(row["unpinned_equal"] is not None for row in own),
        "equal_without_the_pin": sum(row["unpinned_equal"] is True for row in own),
        "exceptions": len(others),
        "exceptions_that_differ": sum(bool(row["differs_on"]) for row in others),
    }


def main() -> None:
    """Run everywhere, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--cpus", nargs="+", help=f"emulated ones; default: {' '.join(CPUS)}")
    parser.add_argument("--methods", nargs="*", help="networks; default: Table 1 and two variants")
    parser.add_argument("--batch", type=int, default=2, help="slices of a training step")
    parser.add_argument("--groups", nargs="*", choices=list(GROUPS), default=list(GROUPS))
    parser.add_argument("--quick", action="store_true", help="products alone; writes nothing")
    parser.add_argument("--folder", type=Path, default=KEPT, help="of what is done already")
    parser.add_argument("--resume", action="store_true", help="go on with what lies there")
    parser.add_argument("--program", choices=["pinned", "unpinned"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.program:
        program(options)
        return
    if shutil.which(EMULATOR) is None:
        sys.exit(
            f"{EMULATOR} is missing: install Debian's package {PACKAGE} (apt install {PACKAGE})"
        )
    if options.quick:
        options.groups, options.methods = ["products"], options.methods or []
        options.folder /= "quick"
    if options.methods is None:
        params = read_yaml(ROOT / "presets/phantom.yaml")
        options.methods = [*params["tables"]["table1"], "dropout_unet", "textbcs_plus"]
    cpus = options.cpus or (QUICK if options.quick else CPUS)
    places = [(HERE, True), *((cpu, True) for cpu in cpus), (HERE, False), (CONTROL, False)]
    if not options.resume:
        shutil.rmtree(options.folder, ignore_errors=True)
        frozen(options.folder / "source")
    runs = []
    for part in ("operators", "networks") if options.methods else ("operators",):
        for cpu, pinned in places:
            runs.append(run_on(cpu, pinned, part, options))
            if not options.quick:
                write(runs, len(cpus) + 1, options.batch)
    rows = compared(runs)
    for row in rows:
        if row["differs_on"] and row["group"] != EXCEPTIONS:
            print(f"DIFFERS: {row['group']}, {row['line']}, {row['part']}: {row['differs_on']}")
    print(json.dumps(summary(rows, len(cpus) + 1)))


def write(runs: Sequence[Mapping[str, Any]], cpus: int, batch: int) -> None:
    """What is known so far, and where it was found."""
    emulator = subprocess.run([EMULATOR, "--version"], capture_output=True, text=True, check=True)
    libraries = ("torch", "numpy", "scipy", "scikit-image", "transformers")
    machine = {
        "cpu": processor(),
        "kernels": kernels.label(),
        "emulator": emulator.stdout.splitlines()[0],
        "glibc": os.confstr("CS_GNU_LIBC_VERSION"),
        "batch": batch,
        **{name: version(name) for name in libraries},
    }
    ran = [{k: v for k, v in run.items() if k != "rows"} for run in runs]
    rows = compared(runs)
    report = {"machine": machine, "summary": summary(rows, cpus), "runs": ran, "rows": rows}
    io.write_json(RESULT, report)


if __name__ == "__main__":
    main()
