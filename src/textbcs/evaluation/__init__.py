"""What predictions are worth: metrics of a slice, means and tests over patients, uncertainty."""
