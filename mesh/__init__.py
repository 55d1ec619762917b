"""The messaging library: nodes, links, requests, time. It knows nothing of any game."""
