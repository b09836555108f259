"""Network inputs from a rectified card: six channels on CPU and CUDA, region crops, augmentation."""
