"""From a picture file to the upright card and its six channels. Free of torch, except the CUDA channels."""
