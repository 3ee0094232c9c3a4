# Tables, figures and the HTML report.
for stage in STAGES.named(
    "table1", "tables", "text_worth", "robustness_figures", "figures", "report"
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
        params:
            address=stage.address,
        message:
            "{params.address}"
        shell:
            RUN_STAGE
