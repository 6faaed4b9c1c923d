"""What a user's project is: `edgemoe.toml`, its checks, and how it is opened."""
