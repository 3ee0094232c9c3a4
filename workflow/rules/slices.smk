# From volumes to slices with prompts and their embeddings.
for stage in STAGES.named("split", "slices", "flow", "prompts", "text", "text_probe"):

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
        threads: 8 if stage.name == "slices" else 1
        params:
            address=stage.address,
        message:
            "{params.address}"
        shell:
            RUN_STAGE
