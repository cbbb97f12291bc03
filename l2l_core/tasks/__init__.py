"""Families of optimization problems."""
