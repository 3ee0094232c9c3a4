"""Maps a byte a voxel: masks at multiples of 1/256 are exact, and what is damaged is refused."""

from collections.abc import Callable

import numpy as np
import pytest

from textbcs.base.io import InputError, read_tensors, write_tensors
from textbcs.stage.receipt import Stage
from textbcs.volumes.coded_maps import (
    above,
    code,
    decode,
    encode,
    file_of,
    level,
    read_codes,
    read_vacuity,
    write_maps,
)


def probabilities(shape: tuple[int, ...] = (3, 5, 7), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


def test_a_mask_of_the_codes_is_that_of_the_probabilities_at_every_threshold() -> None:
    edges = np.arange(257, dtype=np.float32) / np.float32(256)
    below = np.nextafter(edges, np.float32(0))[1:]
    beyond = np.nextafter(edges, np.float32(1))[:-1]
    values = np.concatenate([edges, below, beyond, probabilities((999,))])
    codes = code(values)
    for number in range(1, 256):
        assert np.array_equal(above(codes, number / 256), values >= np.float32(number / 256))
    assert code(np.float32([0, 1])).tolist() == [0, 255]


@pytest.mark.parametrize("threshold", [0.1, 0.0, 1.0, -0.5, 1 / 512, 257 / 256])
def test_a_threshold_between_two_codes_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="no multiple of 1/256"):
        level(threshold)


def test_packed_codes_come_back() -> None:
    values = probabilities()
    row = encode(values)
    assert row.ndim == 1
    assert row.dtype == np.uint8
    assert np.array_equal(decode(row, values.shape), np.floor(values.astype(np.float64) * 256))
    assert len(encode(np.zeros((24, 96, 96), np.float32))) < 1000


def test_a_volume_is_written_and_read(stage_in: Callable[..., Stage]) -> None:
    stage, first, second = stage_in({}), probabilities(), probabilities(seed=1)
    write_maps(stage, "net-s1", "val", "007", {"b": second, "a": first}, {"a": second})
    path = file_of("net-s1", "val", "007")
    assert path.as_posix() == "results/volumes/net-s1/val/007.safetensors"
    stored = read_tensors(path)
    assert set(stored) == {"probability/a", "probability/b", "vacuity/a", "shape"}
    assert stored["shape"].dtype == np.int64
    found = read_codes(path)
    assert list(found) == ["a", "b"]
    assert np.array_equal(found["a"], code(first))
    assert np.array_equal(found["b"], code(second))
    assert np.array_equal(read_vacuity(path)["a"], code(second))


@pytest.mark.parametrize("wrong", [np.nan, -0.01, 1.5])
def test_what_is_no_probability_is_refused_with_its_patient(
    wrong: float, stage_in: Callable[..., Stage]
) -> None:
    values = probabilities()
    values[1, 2, 3] = wrong
    with pytest.raises(InputError, match="net-s1/model.safetensors: patient P1: .*outside 0 to 1"):
        write_maps(stage_in({}), "net-s1", "val", "P1", {"none": values})


def test_damage_is_refused(stage_in: Callable[..., Stage]) -> None:
    stage_in({})
    row, shape = encode(probabilities()), np.array([3, 5, 7])
    for tensors in (
        {"probability/a": row},
        {"probability/a": row[:-3], "shape": shape},
        {"probability/a": row, "shape": shape + 1},
    ):
        write_tensors("a.safetensors", tensors)
        with pytest.raises(InputError, match=r"a.safetensors: no maps of a whole volume"):
            read_codes("a.safetensors")
