"""The network: single-device mathematics, made from a pattern string. No optimizer, no files."""
