"""How the demo bundle is made."""
