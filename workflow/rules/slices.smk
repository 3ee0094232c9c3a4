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
        params:
            address=stage.address,
        message:
            "{params.address}"
        shell:
            RUN_STAGE
