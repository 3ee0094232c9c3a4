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
        params:
            address=stage.address,
        message:
            "{params.address}"
        shell:
            RUN_STAGE
