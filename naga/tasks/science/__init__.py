"""Science: units, mechanics, chemistry by amounts, Mendelian genetics; generated, with traces."""

from naga.tasks.science.balancing import Balancing
from naga.tasks.science.energy import Energy
from naga.tasks.science.forces import Forces
from naga.tasks.science.genetics import Genetics
from naga.tasks.science.kinematics import Kinematics
from naga.tasks.science.molar_mass import MolarMass
from naga.tasks.science.stoichiometry import Stoichiometry
from naga.tasks.science.units import Units

__all__ = [
    "Balancing",
    "Energy",
    "Forces",
    "Genetics",
    "Kinematics",
    "MolarMass",
    "Stoichiometry",
    "Units",
]
