"""Wear of corners, edges and borders."""
