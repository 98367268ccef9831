"""segqc inside the tools that train segmentation models: each validation is judged, without ground truth.

`lightning` and `transformers` hold a callback for each library, and import it; `epochs` is what they share, and
`loggers` writes pictures to the experiment loggers that are there. `fiftyone` writes an audit into a dataset.
"""
