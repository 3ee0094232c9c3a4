"""What replaces a part of DVC does what that part does, and DVC still calls it."""

import json
from collections import OrderedDict
from io import StringIO
from pathlib import Path
from typing import TextIO

import dpath
import patches
import pytest
from dvc import dvcfile, output, rwlock
from dvc.dependency import param
from dvc.fs import localfs
from dvc.repo import Repo
from dvc.utils import serialize
from dvc.utils.serialize import dumps_yaml, modify_yaml, parse_yaml
from dvc.utils.strictyaml import YAMLValidationError


def written(data: object) -> str:
    stream = StringIO()
    patches.dump(data, stream)
    return stream.getvalue()


def test_the_projects_lock_file_comes_out_as_dvc_wrote_it() -> None:
    text = Path("dvc.lock").read_text(encoding="utf-8")
    assert written(parse_yaml(text, "dvc.lock")) == text


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0.1,
        5.0e-7,
        1e20,
        -3,
        "",
        "no",
        "1.0",
        "a: b",
        "# no comment",
        "ends with a colon: ",
        "^breast-tumor segmentation$",
        "word " * 40,
        "line\nline: \n",
        "größe",
        [],
        {},
        [[0.002, 8], [5.0e-4, 8]],
        [{"a": None, "b": [None, 1]}, {"a": None}],
        OrderedDict(b=1, a=OrderedDict(c=None)),
    ],
    ids=repr,
)
def test_every_kind_of_value_comes_out_as_dvc_writes_it(value: object) -> None:
    data = {
        "schema": "2.0",
        "stages": {"train@unet-1": {"params": {"params.yaml": {"x.y": value}}}},
    }
    assert written(data) == dumps_yaml(data)


LOCK = "schema: '2.0'\nstages:\n  a@1:\n    cmd: x\n  b:\n    cmd: y\n"


def test_one_stage_changes_and_the_lines_of_the_others_stay(tmp_path: Path) -> None:
    lock, plain = tmp_path / "dvc.lock", tmp_path / "plain.yaml"
    text = Path("dvc.lock").read_text(encoding="utf-8")
    names = list(parse_yaml(text, "dvc.lock")["stages"])
    lock.write_text(text)
    plain.write_text(text)
    for file, modify in ((lock, patches.modify), (plain, modify_yaml)):
        with modify(file) as data:
            stages = data["stages"] = data.get("stages", {})
            entry = {**stages.get(names[5], {}), "cmd": "another: one"}
            assert entry["deps"][0]["path"] == stages.get(names[5])["deps"][0]["path"]
            stages.update({names[5]: entry, "new@x-1": {"cmd": "z", "outs": []}})
    assert lock.read_text() == plain.read_text() != text


@pytest.mark.parametrize(
    "text",
    [
        "",
        LOCK.replace("'2.0'", "'3.0'"),
        LOCK + "datasets: []\n",
        LOCK + "  a@1:\n    cmd: twice\n",
        LOCK.replace("  b:", "  'b':"),
        LOCK.replace("  b:", "  b: # said by a person"),
        LOCK.removesuffix("\n"),
        LOCK.replace("stages:\n", "stages:\n\n"),
        "# said by a person\n" + LOCK,
    ],
)
def test_another_form_is_left_to_the_parser(text: str) -> None:
    assert patches.Entries.of(LOCK) is not None
    assert patches.Entries.of(text) is None


def test_one_list_in_two_stages_is_written_twice() -> None:
    grid = [1, 2]
    assert "&" not in written({"stages": {"a": {"x": grid}, "b": {"x": grid}}})


def test_what_a_person_wrote_keeps_its_comments(here: Path) -> None:
    for name in ("dvc.lock", "dvc.yaml"):
        Path(name).write_text("# said by a person\nstages:\n  a:\n    cmd: true\n")
        with patches.modify(name) as data:
            data["stages"]["b"] = {"cmd": "false"}
        assert Path(name).read_text().startswith("# said by a person\n")
        assert parse_yaml(Path(name).read_text(), name)["stages"]["b"] == {"cmd": "false"}


DEFINITION = """
stages:
  a: {cmd: cp x a, deps: [x], params: [p], outs: [a]}
  b: {cmd: cp a b, deps: [a], outs: [b]}
"""


@pytest.fixture
def repository(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two stages, run once, of which the first is stale."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(here / "site"))
    (here / "dvc.yaml").write_text(DEFINITION)
    (here / "params.yaml").write_text("p: [1, null]\n")
    (here / "x").write_text("one")
    with Repo.init(".", no_scm=True) as repo:
        repo.reproduce()
    (here / "x").write_text("two")
    return here


def test_dvc_writes_its_lock_file_by_the_function_that_is_replaced(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails after an update of DVC: it writes dvc.lock otherwise now, and the patch buys nothing."""
    before = Path("dvc.lock").read_text()
    with Repo(".") as repo:
        repo.reproduce()
    plain = Path("dvc.lock").read_text()
    Path("dvc.lock").write_text(before)
    read: list[str] = []
    of = patches.Entries.of

    def counted(text: str) -> patches.Entries | None:
        read.append(text)
        return of(text)

    monkeypatch.setattr(patches.Entries, "of", counted)
    monkeypatch.setattr(dvcfile, "modify_yaml", dvcfile.modify_yaml)  # put back at the end
    monkeypatch.setattr(dvcfile.Lockfile, "load", dvcfile.Lockfile.load)
    patches.write_lock_file_by_stage()
    with Repo(".") as repo:
        repo.reproduce(force=True)
    assert read[0] == before
    assert Path("dvc.lock").read_text() == plain != before


def test_dvc_reads_one_stage_of_the_lock_file(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it knows of the stage is what it knows without the patch; of the others nothing is parsed."""

    def known() -> dict[str, object]:
        with Repo(".") as repo:
            (stage,) = repo.stage.collect("b")
            return {
                "changed": stage.cmd_changed,
                "hashes": [one.hash_info.value for one in [*stage.deps, *stage.outs]],
            }

    plain = known()
    parsed: list[str] = []
    get = patches.Entries.get

    def counted(self: patches.Entries, name: str, default: object = None) -> object:
        parsed.append(name)
        return get(self, name, default)

    monkeypatch.setattr(patches.Entries, "get", counted)
    monkeypatch.setattr(dvcfile, "modify_yaml", dvcfile.modify_yaml)
    monkeypatch.setattr(dvcfile.Lockfile, "load", dvcfile.Lockfile.load)
    patches.write_lock_file_by_stage()
    assert known() == plain
    assert parsed == ["b"]
    lock = Path("dvc.lock")
    lock.write_text(lock.read_text().replace("    cmd: cp a b\n", ""))
    with pytest.raises(YAMLValidationError):
        known()
    lock.unlink()
    assert known()["hashes"] == [None, None]


def test_dvc_hashes_by_the_function_that_is_replaced(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`a` is an out of one stage and a dep of the other; both are told what has changed."""
    built: list[str] = []
    build = output.build

    def counted(odb: object, path: str, *more: object, **settings: object) -> object:
        built.append(Path(path).name)
        return build(odb, path, *more, **settings)

    monkeypatch.setattr(output, "build", counted)
    Path("a").write_text("other")
    with Repo(".") as repo:
        plain = repo.status()
        assert sorted(built) == ["a", "a", "b", "x"]
        built.clear()
        with patches.files_hashed_once():
            assert repo.status() == plain
        assert sorted(built) == ["a", "b", "x"]
    assert set(plain) == {"a", "b"}


def test_dvc_reads_parameters_by_the_function_that_is_replaced(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "params.yaml").write_text("p: [1]\n")
    read: list[str] = []
    looked_up: list[object] = []
    look = dpath.get
    monkeypatch.setattr(dpath, "get", lambda *a, **b: looked_up.append(a[1]) or look(*a, **b))
    load = serialize.LOADERS[".yaml"]

    def counted(path: str, **settings: object) -> object:
        read.append(path)
        return load(path, **settings)

    monkeypatch.setitem(serialize.LOADERS, ".yaml", counted)
    with patches.parameters_read_once():
        for _ in range(3):
            with Repo.init(".", no_scm=True, force=True) as repo:
                path = str(here / "params.yaml")
                values = param.read_param_file(repo.fs, path, ["p", "q"], flatten=True)
            assert values == {"p": [1]}
            values["p"].append(2)  # whoever has them may change them
    assert len(read) == 1
    assert looked_up == ["p", "q"], "once, though there is no q"
    assert serialize.LOADERS[".yaml"] is counted, "DVC is left as it was"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("braces", [True, False])
def test_dvc_works_where_the_path_has_braces(
    here: Path, braces: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails without the patch no more, DVC has mended it, and the patch can go."""
    from dvc_data.hashfile import _progress

    root = here / ("a{b}c" if braces else "plain")
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setattr(_progress, "QueryingProgress", _progress.QueryingProgress)
    name = str(root / "cache")
    if braces:
        with pytest.raises(KeyError):
            _progress.QueryingProgress(phase="Checking", name=name)
    patches.braces_in_the_path()
    with _progress.QueryingProgress(phase="Checking", name=name) as bar:
        assert name in bar.desc


def test_a_killed_dvc_leaves_its_list_of_busy_paths_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC writes it; a process that is killed in the middle leaves the one from before."""
    monkeypatch.setattr(rwlock, "_edit_rwlock", rwlock._edit_rwlock)
    patches.busy_paths_never_torn()
    place = tmp_path / "rwlock"

    def killed(value: object, file: TextIO) -> None:
        file.write("{")
        file.flush()
        raise KeyboardInterrupt

    with rwlock.rwlock(str(tmp_path), localfs, "repro", [], ["/x"], False):
        listed = place.read_text()
        assert "/x" in json.loads(listed)["write"]
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(rwlock.json, "dump", killed)
            with rwlock.rwlock(str(tmp_path), localfs, "repro", [], ["/y"], False):
                pass
        assert place.read_text() == listed
    assert "/x" not in place.read_text()
