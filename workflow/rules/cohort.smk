# From an archive of DICOM files to masks on the image grid.
for stage in STAGES.named("phantom", "cohort", "download", "masks"):

    rule:
        name:
            stage.name
        input:
            stage.inputs,
        output:
            stage.outputs,
        log:
            stage.log,
        # Patients at once, at most what --cores leaves; up to 1 GB of memory each at Duke's size.
        threads: 8 if stage.name == "phantom" else 1
        params:
            address=stage.address,
        message:
            "{params.address}"
        shell:
            RUN_STAGE
