"""Lines of `kernels.py`: numpy's and scipy's functions."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from kernel_inputs import Line, Parts, whole

if TYPE_CHECKING:
    pass


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
