"""Card detection in photos, scans and slabs: a segmentation network, an edge network and line fits."""
