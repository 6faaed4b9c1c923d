"""A user's project: `edgemoe.toml`, its checks, and how it is opened."""
