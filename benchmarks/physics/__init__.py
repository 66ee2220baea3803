"""A physical law in the decoder: a damped, forced pendulum whose forcing is not known."""
