# Predictions and scores on the test split.
for stage in STAGES.named("evaluate", "evaluate_variant", "complexity"):

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
