"""Topologies that come along: data only."""
