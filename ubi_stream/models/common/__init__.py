"""What several models share: arrays, scaling, quantiles, signed snapshots."""
