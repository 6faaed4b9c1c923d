"""The user's pictures, and their ground truth."""
