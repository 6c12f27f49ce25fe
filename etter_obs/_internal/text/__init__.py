"""How values are written as text: quantities, PromQL and YAML."""
