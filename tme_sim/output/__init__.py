"""Runs on disk: the file format, its writer and its reader."""
