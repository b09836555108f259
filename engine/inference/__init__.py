"""Trained models in use: loading, prediction, evaluation, Grad-CAM, ONNX, model card."""
