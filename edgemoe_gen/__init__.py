"""edgemoe-gen turns a trained M3ViT checkpoint into an FPGA accelerator."""

__version__ = "0.1.0"
