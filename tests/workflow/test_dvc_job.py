"""DVC's lock file by libyaml: the bytes that DVC itself writes."""

from collections import OrderedDict
from io import StringIO
from pathlib import Path

import dvc_job
import pytest
from dvc.utils.serialize import dumps_yaml, modify_yaml
from dvc.utils.serialize._yaml import parse_yaml


def written(data: object) -> str:
    stream = StringIO()
    dvc_job.dump(data, stream)
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
    for file, modify in ((lock, dvc_job.modify), (plain, modify_yaml)):
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
    assert dvc_job.Entries.of(LOCK) is not None
    assert dvc_job.Entries.of(text) is None


def test_one_list_in_two_stages_is_written_twice() -> None:
    grid = [1, 2]
    assert "&" not in written({"stages": {"a": {"x": grid}, "b": {"x": grid}}})


def test_a_lock_file_is_changed_and_a_pipeline_keeps_its_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("dvc.lock", "dvc.yaml"):
        Path(name).write_text("# said by a person\nstages:\n  a:\n    cmd: true\n")
        with dvc_job.modify(name) as data:
            data["stages"]["b"] = {"cmd": "false"}
    assert Path("dvc.lock").read_text() == "stages:\n  a:\n    cmd: true\n  b:\n    cmd: 'false'\n"
    assert Path("dvc.yaml").read_text().startswith("# said by a person\n")
    with modify_yaml("dvc.lock") as data:
        assert data["stages"]["b"] == {"cmd": "false"}
