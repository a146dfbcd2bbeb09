"""The trained network: parameters, the ensemble behind the contract, CPU and torch forms."""
