"""Cell models that change what another one is told, to see what its decisions hang on."""

from dataclasses import replace

import numpy as np


class Wrapped:
    """A cell model whose inputs pass through ``tell`` first."""

    def __init__(self, model):
        self.model = model
        self.inputs, self.nodes, self.outputs = model.inputs, model.nodes, model.outputs
        self.genotypes = model.genotypes
        self.name, self.hash = f"{type(self).__name__} {model.name}", model.hash

    def initial_state(self, cell_type, genotype):
        return self.model.initial_state(cell_type, genotype)

    def allocate(self, n):
        return self.model.allocate(n)

    def step(self, cells, dt, *, out):
        told = np.ascontiguousarray(self.tell(cells.inputs, cells.cell_type))
        self.model.step(replace(cells, inputs=told), dt, out=out)


class Permuted(Wrapped):
    """Every cell is told what another one of its type senses, a new one at every tick."""

    def __init__(self, model, seed=0):
        super().__init__(model)
        self._draws = np.random.default_rng(seed)

    def tell(self, inputs, cell_type):
        order = np.arange(len(inputs))
        for code in np.unique(cell_type):
            rows = np.flatnonzero(cell_type == code)
            order[rows] = self._draws.permutation(rows)
        return inputs[order]


class Deaf(Wrapped):
    """No cell is told of one input."""

    def __init__(self, model, name):
        super().__init__(model)
        self.name = f"{self.name} to {name}"
        self._column = [channel.name for channel in model.inputs].index(name)

    def tell(self, inputs, cell_type):  # noqa: ARG002
        told = inputs.copy()
        told[:, self._column] = 0.0
        return told
