"""How a model is trained inside Keras' `fit`: steps, programs of many steps, the loop around them."""
