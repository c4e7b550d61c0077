"""How programs come to be clients: registered, changed, approved by somebody else, removed."""
