"""Pure ASGI middleware: nothing here reads a stream to its end or runs the app in another task."""
