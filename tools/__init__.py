"""What people run: the command line, bots, the demo."""
