"""Prior knowledge: the signed, gated network of tme-cell, and readers of networks of others."""
