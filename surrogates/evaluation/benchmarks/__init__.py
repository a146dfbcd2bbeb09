"""Benchmarks on public data: a module for each data set, with the splits, the rivals and the rows.

Each has a name `FOLDER`, the sub-folder of the user's data that it reads, and a function

    rows(folder, models, cache, progress) -> list[Row]

Nothing is downloaded and no data set ships; what each one is and where it comes from stands in the
module of `surrogates.data` that reads it.
"""
