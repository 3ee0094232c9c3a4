"""The resume state: keyed by all that decides the result, safe to read, gone after success."""

import pickle

import pytest
import torch

from textbcs.base import io
from textbcs.training import checkpoint

CPU = torch.device("cpu")


def test_key_follows_params_inputs_ids_and_code(monkeypatch):
    def key(params=None, inputs=None, **ids):
        return checkpoint.resume_folder(params or {"a": {"b": 1}}, inputs or {"x": "0"}, **ids)

    base = key(method="unet", seed=1)
    assert base == key(method="unet", seed=1)
    others = [
        key({"a": {"b": 2}}, method="unet", seed=1),
        key(None, {"x": "1"}, method="unet", seed=1),
        key(method="textbcs", seed=1),
        key(method="unet", seed=2),
    ]
    monkeypatch.setattr(checkpoint, "code_identity", lambda: "other")
    others.append(key(method="unet", seed=1))
    assert len({base, *others}) == 6


def test_code_identity_sees_a_changed_module(tmp_path, monkeypatch):
    for name in ("score.py", "models/a.py", "training/checkpoint.py"):
        io.write_text(tmp_path / name, "x = 1\n")
    monkeypatch.setattr(checkpoint, "__file__", str(tmp_path / "training/checkpoint.py"))
    before = checkpoint.code_identity()
    assert before == checkpoint.code_identity()
    io.write_text(tmp_path / "models/a.py", "x = 2\n")
    assert before != checkpoint.code_identity()


def test_state_survives_and_is_discarded(tmp_path):
    state = {"epoch": 3, "weights": {"w": torch.rand(2)}, "history": [{"loss": 0.1}]}
    checkpoint.save(tmp_path / "run", state)
    found = checkpoint.load(tmp_path / "run", CPU)
    assert torch.equal(found["weights"]["w"], state["weights"]["w"])
    assert found["history"] == state["history"]
    checkpoint.discard(tmp_path / "run")
    assert checkpoint.load(tmp_path / "run", CPU) is None


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


@pytest.mark.parametrize(
    "content", [b"", b"torn", pickle.dumps(Evil(), 2)], ids=("empty", "torn", "pickle")
)
def test_a_damaged_or_hostile_state_is_ignored(tmp_path, content):
    io.write_bytes(tmp_path / "last.pt", content)
    assert checkpoint.load(tmp_path, CPU) is None


def test_a_hostile_state_in_torchs_own_format_is_ignored(tmp_path):
    torch.save({"epoch": Evil()}, tmp_path / "last.pt")
    assert checkpoint.load(tmp_path, CPU) is None


def test_weights_are_the_same_bytes_in_any_order_and_layout(tmp_path):
    a, b = torch.rand(2, 3, 4, 4), torch.tensor(5)
    checkpoint.write_weights(tmp_path / "1", {"a": a, "b": b})
    checkpoint.write_weights(
        tmp_path / "2", {"b": b, "a": a.contiguous(memory_format=torch.channels_last)}
    )
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
