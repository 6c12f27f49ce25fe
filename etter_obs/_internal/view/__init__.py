"""``etter-obs view``: the generated dashboards in a browser, where no Grafana runs.

A small server on loopback serves the page and passes its questions on: only to the sources named,
only on the paths that read, only with the token of the printed link.
"""
