"""One hash over all receipts and outputs, and the list of all trainings."""
