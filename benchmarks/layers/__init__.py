"""Several layers of latents, measured: beside the same networks with one layer.

two_layer   dynamic MNIST, the net of Burda et al. 2016 with two layers and with one, at equal minutes and updates
ladder      static MNIST, a convolutional ladder of three layers beside one latent under the same networks

common      what the jobs share: scores of a trained model, what each layer says, the best epoch
"""
