"""Grafana's dashboards of Dure, made from code: `python -m deploy.dashboards` writes them into the chart."""
