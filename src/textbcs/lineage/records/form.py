"""Whether a receipt has the form that `workflow/schemas/receipt.schema.json` describes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textbcs.base.io import InputError, read_json
from textbcs.lineage.records.bounded import parse_json
from textbcs.lineage.records.schema_faults import first_fault
from textbcs.settings.working_copy import project_folder

SCHEMA = Path("workflow/schemas/receipt.schema.json")


class Form:
    """Judges receipts; an entry that many receipts share is judged once.

    Raises:
        InputError: there is no schema.
    """

    def __init__(self) -> None:
        from jsonschema import Draft202012Validator

        self._schema = read_json(project_folder() / SCHEMA)
        self._validator = Draft202012Validator(self._schema)
        self._known: set[tuple[str, str]] = set()

    def fault(self, facts: Any) -> str | None:
        """The first violation as `key = value: what is allowed`, or None."""
        if not isinstance(facts, dict):
            return f"expected keys with values, found {type(facts).__name__}"
        rest, entries = self._without_known(facts)
        if not self._validator.is_valid(rest):
            return first_fault(facts, self._schema)
        self._known |= entries
        return None

    def _without_known(
        self, facts: Mapping[str, Any]
    ) -> tuple[dict[str, Any], set[tuple[str, str]]]:
        """The receipt without the entries that have been found valid, and its other entries."""
        rest: dict[str, Any] = dict(facts)
        entries: set[tuple[str, str]] = set()
        for name in ("inputs", "outputs"):
            if isinstance(facts.get(name), list):
                keys = [(name, repr(item)) for item in facts[name]]
                pairs = zip(keys, facts[name], strict=True)
                rest[name] = [item for key, item in pairs if key not in self._known]
                entries |= set(keys)
        if isinstance(facts.get("code"), dict):
            pairs_of_code = facts["code"].items()
            rest["code"] = {
                k: v for k, v in pairs_of_code if ("code", repr((k, v))) not in self._known
            }
            entries |= {("code", repr(pair)) for pair in pairs_of_code}
        return rest, entries


def check_form(content: bytes, form: Form) -> None:
    """Check a receipt's bytes.

    Raises:
        InputError: they are no JSON or have another form.
    """
    judge(parse_json(content), form)


def judge(facts: Any, form: Form) -> None:
    """Check what stands in a receipt.

    Raises:
        InputError: it has another form, or is nested too deep to be judged.
    """
    try:
        fault = form.fault(facts)
    except RecursionError as error:
        raise InputError(f"not of the form of {SCHEMA}: nested too deep") from error
    if fault:
        raise InputError(f"not of the form of {SCHEMA}: {fault}")
