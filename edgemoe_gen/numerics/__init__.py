"""Fixed-point formats, tables and calibration."""
