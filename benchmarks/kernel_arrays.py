"""Lines of `kernels.py`: numpy's and scipy's functions."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from kernel_inputs import Line, Parts, whole


def arrays() -> Iterator[Line]:
    """numpy."""
    yield from elementwise_functions()
    yield from reductions()
    yield from order_statistics()
    yield from linear_algebra()
    yield "numpy.random", _numbers


def elementwise_functions() -> Iterator[Line]:
    """Functions of each element, mostly in double and in single precision."""
    import numpy as np

    x, positive = whole(16, 999), np.abs(whole(16, 999)) + 0.1
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


def reductions() -> Iterator[Line]:
    """Sums, means, norms and products of rows."""
    import numpy as np

    x, positive = whole(16, 999), np.abs(whole(16, 999)) + 0.1
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


def order_statistics() -> Iterator[Line]:
    """Quantiles, sorting, counting."""
    import numpy as np

    x = whole(16, 999)
    single = x.astype(np.float32)
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


def linear_algebra() -> Iterator[Line]:
    """Products of matrices, decompositions, systems of equations."""
    import numpy as np

    x, positive, square = whole(16, 999), np.abs(whole(16, 999)) + 0.1, whole(40, 40)
    single = x.astype(np.float32)
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
    yield from image_processing()
    yield "scipy.special", _special_functions
    yield "scipy.stats", _statistics
    yield "scipy.optimize", _optimisation
    yield "scikit-image", _regions


def image_processing() -> Iterator[Line]:
    """scipy's filters, resampling, and work on masks."""
    import numpy as np
    from scipy import ndimage

    volume, image = whole(9, 40, 44), whole(48, 52).astype(np.float32)
    mask = _smooth() > 0
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


def _smooth() -> Any:
    from scipy import ndimage

    return ndimage.uniform_filter(whole(64, 64), 9)


def _special_functions() -> Parts:
    import numpy as np
    from scipy import special

    positive = np.abs(whole(300)) + 0.1
    share = np.clip(positive / 3, 0, 1)
    arguments = {"xlogy": (share, share), "ndtri": (share,), "betainc": (positive, 2.0, share)}
    names = ("digamma", "gammaln", "ndtr", "ndtri", "expit", "xlogy", "erf", "betainc")
    return {name: getattr(special, name)(*arguments.get(name, (positive,))) for name in names}


def _statistics() -> Parts:
    import numpy as np
    from scipy import stats

    x, positive = whole(300), np.abs(whole(300)) + 0.1
    resampled = stats.bootstrap(
        (x[:40],), np.mean, n_resamples=999, method="BCa", rng=np.random.default_rng(3)
    )
    return {
        "ttest_1samp": stats.ttest_1samp(x[:40] + 0.1, 0).pvalue,
        "wilcoxon": stats.wilcoxon(x[:40] + 0.1).pvalue,
        "wilcoxon, exact": stats.wilcoxon(x[:12] + 0.1).pvalue,
        "rankdata": stats.rankdata(np.rint(x * 5)),
        "t": stats.t.ppf([0.025, 0.975], 12.5),
        "spearmanr": stats.spearmanr(x, positive).statistic,
        "bootstrap": list(resampled.confidence_interval),
    }


def _optimisation() -> Parts:
    import numpy as np
    from scipy import optimize

    x = whole(300)
    bounded = optimize.minimize_scalar(
        lambda t: float(np.logaddexp(0, x * np.exp(-t)).mean()) + t * t / 9,
        bounds=(-4, 4),
        method="bounded",
        options={"xatol": 1e-6},
    )
    free = optimize.minimize(lambda t: float(((t - x[:4]) ** 2).sum()), x[4:8])
    return {"bounded": bounded.x, "BFGS": free.x}


def _regions() -> Parts:
    from skimage import filters, measure

    smooth = _smooth()
    return {
        "otsu": filters.threshold_otsu(smooth),
        "regions": [
            (r.area, *r.centroid, r.solidity, r.eccentricity, r.perimeter)
            for r in measure.regionprops(measure.label(smooth > 0, connectivity=2))
        ],
    }
