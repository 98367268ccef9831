"""NCSN++: the network alone. Shapes in, shapes out."""
