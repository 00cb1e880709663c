"""Is a row unusual? An ensemble of detectors, its inputs, thresholds and alert rate."""
