"""Several models that answer as one: classifiers blended by their log-odds, anomaly detectors by their ranks.

All arithmetic is row by row on arrays of fixed size, so results don't depend on how a stream is cut into chunks.
"""
