"""The pages of the console and of `etter-obs view`: sources here, what is built in the package."""
