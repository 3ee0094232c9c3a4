"""A study on a DICOMweb server: found by QIDO-RS, read by WADO-RS, results stored by STOW-RS (PS3.18)."""
