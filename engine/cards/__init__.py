"""Card pairs, manifests, the PSA scale and rubric, folds and leakage between splits. Free of torch."""
