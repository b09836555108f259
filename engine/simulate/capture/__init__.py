"""Capture of a simulated card: camera, light, background, slabs and holders."""
