"""The server types, one folder each."""
