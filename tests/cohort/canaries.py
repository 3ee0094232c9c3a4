"""What identifies a person, for planting in an archive and for finding it where it must not be."""

from pathlib import Path

import pydicom

CANARIES = {
    "PatientName": "CANARY^NAME",
    "PatientBirthDate": "19010203",
    "AccessionNumber": "CANARYACCESSION",
    "OtherPatientIDs": "CANARYOTHERID",
    "PatientAddress": "CANARYSTREET 7",
    "ReferringPhysicianName": "CANARY^DOCTOR",
    "InstitutionName": "CANARYHOSPITAL",
    "StudyID": "CANARYSTUDY",
    "StudyDate": "19010204",
    "PatientComments": "CANARYCOMMENT",
    "StudyDescription": "CANARYSTUDYTEXT",
}
PRIVATE = "CANARYPRIVATE"
PLANTED = [*CANARIES.values(), PRIVATE, "CANARY"]


def plant(archive: Path) -> None:
    """Put the canaries into every file."""
    for path in archive.rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        for name, value in CANARIES.items():
            setattr(dataset, name, value)
        block = dataset.private_block(0x0011, "CANARYVENDOR", create=True)
        block.add_new(0x01, "LO", PRIVATE)
        dataset.save_as(path)


def assert_clean(where: str, content: bytes) -> None:
    for canary in PLANTED:
        assert canary.encode() not in content, f"{where} holds {canary}"
