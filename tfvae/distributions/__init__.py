"""TFP distributions that are fused, mended or missing there."""
