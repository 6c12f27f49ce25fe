"""The whole product at work on real parts: load, a fault, its page, its resolution."""
