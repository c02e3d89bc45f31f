"""Landmarks of users' photos, videos and cameras."""
