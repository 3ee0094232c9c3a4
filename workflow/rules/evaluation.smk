# Predictions and scores on the test split.
for stage in STAGES.named(
    "evaluate",
    "evaluate_variant",
    "evaluate_replicate",
    "robustness",
    "calibrate",
    "calibrate_variants",
    "gradcam",
    "complexity",
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


# What the scores amount to: no network runs, no GPU is asked for.
for stage in STAGES.named("trivial", "uncertainty", "statistics", "replicates"):

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
