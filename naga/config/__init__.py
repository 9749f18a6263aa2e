"""What a run is: frozen, strict records, read from TOML plus dotted overrides. Imports no torch."""
