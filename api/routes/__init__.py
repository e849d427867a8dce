"""One module a noun; a route is parse, one call, wire type."""

from api.routes import (
    calendar,
    companies,
    events,
    health,
    leases,
    nodes,
    pools,
    problems,
    quotas,
    tokens,
    usage,
    webhooks,
)

ROUTERS = (
    leases.router,
    events.router,
    webhooks.router,
    calendar.router,
    usage.router,
    pools.router,
    companies.router,
    quotas.router,
    tokens.router,
    nodes.router,
    nodes.reports,
    problems.router,
    health.router,
)
"""Every router there is, in the order of the documentation."""
