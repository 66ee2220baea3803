"""What a trained model is worth: likelihood with error bars, latent code, samples, factors."""
