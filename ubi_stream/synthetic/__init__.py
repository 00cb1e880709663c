"""Invented users, their visits and faults."""
