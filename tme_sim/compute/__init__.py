"""How kernels are launched, and how draws are made."""
