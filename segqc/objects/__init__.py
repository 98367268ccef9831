"""Objects: how suspect each connected object of a mask is, and which objects the mask lacks."""
