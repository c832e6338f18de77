"""Where networks that do not ship with the package come from."""
