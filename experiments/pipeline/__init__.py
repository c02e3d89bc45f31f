"""Search, finetuning, scoring and comparison as plain functions."""
