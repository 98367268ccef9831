"""The quality model: network, noise, readout, and its folder on disk."""
