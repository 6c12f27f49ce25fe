"""``python -m etter_obs.cli`` is ``etter-obs``."""

from etter_obs.cli import main

main(prog_name="etter-obs")
