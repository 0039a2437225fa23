"""The dashboard and the alerts, against what a running worker exposes."""
