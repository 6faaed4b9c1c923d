"""The vendor flow: tools found, scripts run and watched, results collected, reports read."""
