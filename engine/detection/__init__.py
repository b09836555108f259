"""Card detection in photos, scans and slabs: two small networks and geometry."""
