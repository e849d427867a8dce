"""One module a noun; a route is parse, one call, wire type."""

from api.routes import (
    audit,
    calendar,
    companies,
    decisions,
    events,
    health,
    leases,
    ledger,
    nodes,
    offers,
    pools,
    problems,
    quotas,
    tokens,
    usage,
    webhooks,
    whatif,
)

ROUTERS = (
    leases.router,
    offers.router,
    decisions.router,
    events.router,
    webhooks.router,
    calendar.router,
    usage.router,
    ledger.router,
    audit.router,
    whatif.router,
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
