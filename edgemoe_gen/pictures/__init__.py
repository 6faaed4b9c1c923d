"""Pictures that a user names, and their ground truth."""
