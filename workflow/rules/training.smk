# Training. One GPU job at a time, unless --resources gpu=N says otherwise.
for stage in STAGES.named(
    "pretrain", "search", "train", "train_variant", "train_replicate"
):

    rule:
        name:
            stage.name
        input:
            stage.inputs,
        output:
            stage.outputs,
        log:
            stage.log,
        resources:
            gpu=SESSION.gpus,
        params:
            address=stage.address,
        message:
            "{params.address}"
        shell:
            RUN_STAGE
