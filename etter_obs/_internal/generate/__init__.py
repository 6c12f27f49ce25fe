"""From specs to files: the plan of every generated file, and writing or comparing them."""
