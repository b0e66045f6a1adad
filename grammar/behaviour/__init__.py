"""What a function does, whatever it is written as: fingerprint, properties, screening, profile, census."""
