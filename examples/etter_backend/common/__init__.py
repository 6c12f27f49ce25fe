"""What routes and services share: errors, pages, fields, texts, calls of other services."""
