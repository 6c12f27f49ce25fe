"""What the routes take and give: one module for each resource."""
