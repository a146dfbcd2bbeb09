"""Turn capacities of uptake into fluxes that keep carbon and count ATP.

At the local concentration c a capacity V is realised as V c / (K + c). Two pyruvate leave
glycolysis per glucose; each is secreted as lactate, oxidised (3 O2 each) or built into biomass:

    2 glucose = lactate + pyruvate_oxidised + pyruvate_in_biomass

so lactate is the larger of what the cell wants to secrete (a share of 2 glucose) and what neither
oxygen nor growth can take, and never more than 2 glucose. ATP: 2 per glucose through glycolysis,
5 per O2 (P/O 2.5). Sources: Mookerjee 2017 J Biol Chem 292:7189 (ATP yields); biomass carbon from
2500 um3 at 0.25 g/mL dry mass, half of it carbon, a third of that from glucose.
"""

from surrogates.disk_cache import cached

OXYGEN_HALF = 1.0  # [mmHg] half saturation of oxygen uptake
GLUCOSE_HALF = 0.5  # [mM]
OXYGEN_PER_PYRUVATE = 3.0
ATP_PER_GLUCOSE = 2.0
ATP_PER_OXYGEN = 5.0
BIOMASS_PYRUVATE = 2.9e6  # [amol] pyruvate built in per doubling of biomass


@cached(error_model="numpy", inline="always")
def realised(capacity: float, concentration: float, half: float) -> float:
    """Flux V c / (K + c) at a concentration [same unit as capacity]."""
    positive = max(concentration, 0.0)
    return capacity * positive / (half + positive)


@cached(error_model="numpy")
def lactate_flux(glucose: float, oxygen: float, growth_rate: float, share: float) -> float:
    """Lactate secreted [amol/min] from realised glucose and oxygen uptake [amol/min].

    `share` in [0, 1] is what the cell would secrete of its pyruvate, `growth_rate` [1/min].
    """
    pyruvate = 2.0 * glucose
    overflow = pyruvate - oxygen / OXYGEN_PER_PYRUVATE - BIOMASS_PYRUVATE * growth_rate
    return min(max(share * pyruvate, overflow, 0.0), pyruvate)


@cached(error_model="numpy")
def atp_supply(glucose: float, oxygen: float) -> float:
    """ATP made [amol/min] from realised glucose and oxygen uptake [amol/min]."""
    return ATP_PER_GLUCOSE * glucose + ATP_PER_OXYGEN * oxygen
