"""Python's face of libfarflung. `import farflung.execnet as execnet` is what there is to use."""

__version__ = "0.1.0"
