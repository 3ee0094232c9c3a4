"""Runs the public validator on a crate: `python crate_validator.py FOLDER`, in an environment that has it.

Prints the identifiers of the required checks that fail, as JSON. Without a network: the two published
contexts are replaced by the terms that the profiles ask for, and the two checks that fetch them are left out.
"""

import json
import sys
from typing import Any

from rdflib.plugins.shared.jsonld import context
from rocrate_validator import models, services
from rocrate_validator.utils import document_loader

# Terms that the contexts map to elsewhere than schema.org.
CONTEXT = {
    "@vocab": "http://schema.org/",
    "File": "http://schema.org/MediaObject",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/properties/input",
    "output": "https://bioschemas.org/properties/output",
    "sha256": "https://w3id.org/ro/terms/workflow-run#sha256",
}
NEEDS_NETWORK = ["ro-crate-1.1_3.1", "ro-crate-1.1_3.2"]


def stub(*_: object, **__: object) -> tuple[dict[str, Any], None]:
    """The contexts, whichever is asked for."""
    return {"@context": CONTEXT}, None


def failing(folder: str) -> list[str]:
    """Identifiers of the required checks that fail."""
    context.source_to_json = stub
    document_loader._installed = True
    settings = services.ValidationSettings(
        rocrate_uri=folder,
        profile_identifier="provenance-run-crate-0.5",
        requirement_severity=models.Severity.REQUIRED,
        skip_checks=NEEDS_NETWORK,
        offline=True,
    )
    return [one.check.identifier for one in services.validate(settings).get_issues()]


if __name__ == "__main__":
    print(json.dumps(failing(sys.argv[1])))
