"""Parts of stages: their class, the opened project, folders and hashes, and the vendor's tools."""
