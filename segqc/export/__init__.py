"""`segqc export`: the suspect predictions of an audit as a queue for annotators, in the format of the tool they use.

Each target is a module with one function `write`. What all share: which predictions go and in which order (`queue`),
and their masks as run lengths or polygons (`shapes`). `run` does the whole export.
"""
