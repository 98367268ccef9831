"""`segqc audit`: a folder of predictions, or of labels, scored and ranked."""
