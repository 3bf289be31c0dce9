"""What is recorded of a model during training, independent of any metric."""
