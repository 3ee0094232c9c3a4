"""The Merkle tree against the vectors of Certificate Transparency (RFC 6962), and its proofs."""

import subprocess
from pathlib import Path

import pytest

from textbcs.lineage.seal.merkle import climbed, lines_of, proof, root

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


@pytest.mark.parametrize("count", ROOTS)
def test_the_roots_are_those_of_the_standard(count: int) -> None:
    assert root(LEAVES[:count]) == ROOTS[count]


@pytest.mark.parametrize("count", range(1, 9))
def test_each_proof_leads_to_the_root_and_no_other_leaf_does(count: int) -> None:
    lines = LEAVES[:count]
    for place, line in enumerate(lines):
        steps = proof(lines, place)
        assert climbed(line, steps) == root(lines)
        assert climbed(line + b"x", steps) != root(lines)


def test_the_lines_are_those_of_sha256sum(tmp_path: Path) -> None:
    names = ["b", "a b", "ä", "line\nbreak", "back\\slash", "a/c"]
    (tmp_path / "a").mkdir()
    digests = {}
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    listed = subprocess.run(["sha256sum", *names], cwd=tmp_path, capture_output=True, check=True)
    for line, name in zip(listed.stdout.splitlines(keepends=True), names, strict=True):
        digests[name] = line.removeprefix(b"\\")[:64].decode()
        assert lines_of({name: digests[name]}) == [line]
    assert lines_of(digests) == lines_of(dict(sorted(digests.items(), reverse=True)))
