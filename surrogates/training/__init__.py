"""Training of the network, and the fit of its teacher."""
