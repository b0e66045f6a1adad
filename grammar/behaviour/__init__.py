"""The behaviour of a function, however it is written: fingerprint, properties, screening, profile, census."""
