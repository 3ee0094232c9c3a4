"""Types are meant strictly, and a message says what is allowed."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NotRequired, TypedDict, get_args, is_typeddict

import pytest
from faulty import changed, fault

from textbcs.settings.checking import first_fault, keyed, optional
from textbcs.settings.params import declaration, fault_of
from textbcs.settings.ranges import AtLeast, AtMost, Distinct, Items, Matching, MultipleOf


class Inner(TypedDict):
    width: Annotated[int, AtLeast(4), MultipleOf(4), "channels"]
    share: NotRequired[Annotated[float, AtLeast(0), AtMost(1)]]


class Other(TypedDict):
    kind: Literal["other"]
    name: Annotated[str, Matching("[a-z]+")]


class Third(TypedDict):
    kind: Literal["third"]


class Outer(TypedDict):
    inner: Inner
    pairs: Annotated[list[tuple[float, int]], Items(1), Distinct()]
    grid: Annotated[Literal["full"] | Annotated[int, AtLeast(1)] | None, "tokens a side"]
    some: list[Other | Third]
    named: dict[Annotated[str, Matching("[a-z]+")], Annotated[Inner, Items(1)]]


RIGHT: dict[str, Any] = {
    "inner": {"width": 8},
    "pairs": [[0.1, 2]],
    "grid": None,
    "some": [{"kind": "other", "name": "a"}, {"kind": "third"}],
    "named": {"a": {"width": 4, "share": 1}},
}


def test_what_is_declared_is_no_fault() -> None:
    assert first_fault(RIGHT, Outer) is None
    assert first_fault(RIGHT | {"grid": 3}, Outer) is None
    assert first_fault(RIGHT | {"grid": "full"}, Outer) is None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("inner", 3, "inner = 3: allowed: mapping"),
        ("inner", {}, "inner.width is missing: allowed: integer, at least 4, a multiple of 4 (channels)"),
        ("inner", {"width": 6}, "inner.width = 6: allowed: integer, at least 4, a multiple of 4 (channels)"),
        ("inner", {"widht": 6}, "inner.widht = 6: unknown key; allowed here: share, width"),
        ("inner", {"width": 8, 3: 1}, "inner.3 = 1: unknown key; allowed here: share, width"),
        ("pairs", [], "pairs = []: allowed: array, at least 1 item, no value twice"),
        ("pairs", [[1, 2]] * 2, "pairs = [[1, 2], [1, 2]]: allowed: array, at least 1 item, no value twice"),
        ("pairs", [[1]], "pairs.0 = [1]: allowed: array, 2 items"),
        ("pairs", [[1, 2.0]], "pairs.0.1 = 2.0: allowed: integer"),
        ("grid", 0, "grid = 0: allowed: full or integer, at least 1 or null (tokens a side)"),
        ("grid", False, "grid = False: allowed: full or integer, at least 1 or null (tokens a side)"),
        ("some", ["x"], "some.0 = 'x': allowed: mapping"),
        ("some", [{"name": "a"}], "some.0.kind is missing: allowed: one of other, third"),
        ("some", [{"kind": ["x"]}], "some.0.kind = ['x']: allowed: one of other, third"),
        ("some", [{"kind": "third", "name": "a"}], "some.0.name = 'a': unknown key; allowed here: kind"),
        ("some", [{"kind": "other", "name": "A"}], "some.0.name = 'A': allowed: string, matching [a-z]+"),
        ("named", {"a": {}}, "named.a = {}: allowed: mapping, at least 1 item"),
        ("named", {"A": {"width": 4}}, "named.A = 'A': allowed: string, matching [a-z]+"),
    ],
)  # fmt: skip
def test_a_fault_names_key_value_and_what_is_allowed(key: str, value: Any, message: str) -> None:
    assert first_fault(RIGHT | {key: value}, Outer) == message


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("phantom.patients", 14.0, "phantom.patients = 14.0: allowed: integer, at least 0"),
        ("phantom.patients", True, "phantom.patients = True: allowed: integer, at least 0"),
        ("phantom.patients", "14", "phantom.patients = '14': allowed: integer, at least 0"),
        ("seeds", [1.0], "seeds.0 = 1.0: allowed: integer, at least 0"),
        ("methods.unet.grid", [[0.001, 8.0]], "methods.unet.grid.0.1 = 8.0: allowed: integer"),
        ("methods.clip.network.patch", 4.0, "methods.clip.network.patch = 4.0: allowed: one of"),
        ("cohort.box_base", True, "cohort.box_base = True: allowed: one of 0, 1"),
        ("training.channels_last", 1, "training.channels_last = 1: allowed: boolean"),
        ("training.weight_decay", True, "training.weight_decay = True: allowed: number"),
        ("training.weight_decay", math.nan, "training.weight_decay = nan: allowed: finite number"),
        ("training.weight_decay", math.inf, "weight_decay = inf: allowed: finite number, at least 0"),
        ("training.foreground_prior", math.nan, "training.foreground_prior = nan: allowed: finite"),
        ("phantom.tumours", [math.nan, 0, 0, 1], "phantom.tumours.0 = nan: allowed: finite number"),
        ("variants.evidence_e0.loss", {"lambda_evidence": math.inf}, "lambda_evidence = inf"),
        ("evaluation.nsd_tolerances_mm", [math.inf], "nsd_tolerances_mm.0 = inf: allowed: finite"),
    ],
)  # fmt: skip
def test_what_would_end_in_a_traceback_is_a_fault(key: str, value: Any, words: str) -> None:
    assert words in fault(changed(key, value))


def test_a_long_value_is_cut() -> None:
    message = first_fault(RIGHT | {"inner": "x" * 1000}, Outer)
    assert message is not None
    assert len(message) < 200


@pytest.mark.parametrize("name", ["a\nb", "a\u2028b", "a\x85b", "x" * 1000])
def test_whatever_a_key_is_called_its_fault_is_one_line(name: str) -> None:
    for values in ({name: 1}, {"inner": {"width": 8, name: 1}}):
        message = first_fault(RIGHT | values, Outer)
        assert message is not None
        assert "unknown key" in message
        assert len(message.splitlines()) == 1
        assert len(message) < 400


def test_a_declaration_can_be_made_optional_and_by_name() -> None:
    assert first_fault({}, optional(Inner)) is None
    assert first_fault({"width": 4}, optional(Inner, without=["width"])) is not None
    assert first_fault({"a": {"width": 4}}, keyed("Named", {"a": Inner})) is None
    assert first_fault({}, keyed("Named", {"a": Inner}, total=False)) is None


def test_every_number_and_text_of_a_section_has_a_declared_type() -> None:
    """`Any` would let everything pass."""

    def kinds(kind: Any) -> list[Any]:
        inner = kind.__annotations__.values() if is_typeddict(kind) else get_args(kind)
        return [kind, *(found for one in inner for found in kinds(one))]

    found = kinds(declaration())
    assert Any not in found
    assert len(found) > 500


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("phantom.slices", 24.0),
        ("seeds", [1.0]),
        ("seeds", [2**32]),
        ("split.seed", 10**30),
        ("training.epochs", 2**63),
        ("training.weight_decay", math.nan),
        ("training.weight_decay", math.inf),
        ("training.weight_decay", 1e300),
        ("training.weight_decay", 10**400),
        ("cohort.source", "a\nb"),
        ("cohort.source", "a\0b"),
        ("cohort.source", "\ud800"),
        ("cohort.source", "x" * 2001),
    ],
    ids=lambda value: str(value)[:20].encode("ascii", "replace").decode(),
)
def test_what_no_stage_could_use_is_refused(key: str, value: Any) -> None:
    assert fault(changed(key, value)).startswith(key)


def test_the_name_of_a_run_fits_every_file_system() -> None:
    values = changed("seeds", [1])
    longest = "v" * 64
    for name in (longest, "v" * 225):
        values["variants"][name] = {"loss": {"lambda_kl": 0.0}}
    found = fault(values)
    assert found.startswith("variants.vvv")
    assert found.endswith("allowed: string, matching [a-z][a-z0-9_]{0,63}")
    del values["variants"]["v" * 225]
    assert fault_of(values) is None
    address = f"train_replicate@{longest}-4294967295"
    assert len(f".{address}.json.abcdefgh.part") <= 143, "a temporary file, in an encrypted home"


def test_every_number_of_the_presets_refuses_what_is_none() -> None:
    """Each number of params.yaml, one after the other."""
    values, declared = changed("seeds", [1]), declaration()
    leaves = list(_leaves(values))
    for path, node, key in leaves:
        right = node[key]
        for wrong in (math.nan, math.inf, True, str(right), 10**400):
            node[key] = wrong
            assert (first_fault(values, declared) or "").startswith(path), (path, wrong)
        node[key] = right
    assert len(leaves) > 150


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Each number: the key of its fault, what holds it, and its place there."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, dict | list):
            yield from _leaves(value, f"{path}{key}.")
        elif type(value) in (int, float):
            yield f"{path}{key} = ", node, key
