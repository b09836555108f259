"""Network inputs from a rectified card: six channels on CPU and CUDA, crops, augmentation."""
