"""The routes: one module per resource."""

from examples.etter_backend.routes import (
    adjacency,
    auth,
    chro,
    companies,
    documents,
    health,
    model,
    simulation,
    users,
    workflows,
)

ROUTERS = tuple(
    module.router
    for module in (
        health,
        auth,
        users,
        companies,
        workflows,
        documents,
        chro,
        adjacency,
        simulation,
        model,
    )
)
