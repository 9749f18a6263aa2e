"""Reactions by kind, from easy to hard, for balancing and for amounts of substance.

Each kind is a rule over a few lists (a metal burns in chlorine, an acid meets a base), so that
there are hundreds without a table of them; which metals and salts take part follows school
chemistry: the activity series, what is insoluble. Nothing is here that is balanced as it stands.
"""

from naga.tasks.example import Level
from naga.tasks.science.chemistry import Reaction, balance, salt

ACIDS = {"HCl": "Cl", "HBr": "Br", "HI": "I", "HNO3": "NO3", "H2SO4": "SO4", "H3PO4": "PO4"}
BASES = ("Li", "Na", "K", "Ca", "Ba", "Mg", "Zn", "Al")
ACTIVE = ("Mg", "Al", "Zn", "Fe", "Cu", "Ag")
# Metal and anion of what falls out, and which anions and metals stay in solution.
INSOLUBLE = (
    *(("Ag", "Cl"), ("Ag", "Br"), ("Ag", "I"), ("Ba", "SO4"), ("Ba", "CO3"), ("Ca", "CO3")),
    *(("Mg", "OH"), ("Cu", "OH"), ("Fe", "OH"), ("Zn", "OH"), ("Al", "OH"), ("Mg", "CO3")),
    *(("Ca", "PO4"), ("Ag", "CO3"), ("Ag", "PO4"), ("Zn", "CO3"), ("Ba", "PO4"), ("Zn", "S")),
)
OXIDES = (("Fe2O3", "Fe"), ("CuO", "Cu"), ("ZnO", "Zn"), ("Fe3O4", "Fe"), ("Ag2O", "Ag"))

SINGLE = (
    *(
        ("N2 H2", "NH3"),
        ("H2 O2", "H2O"),
        ("P O2", "P2O5"),
        ("Fe O2", "Fe3O4"),
        ("Fe Cl2", "FeCl3"),
    ),
    *(("SO2 O2", "SO3"), ("NO O2", "NO2"), ("CO O2", "CO2"), ("C O2", "CO"), ("S O2", "SO3")),
    *(("P Cl2", "PCl3"), ("P Cl2", "PCl5"), ("P Br2", "PBr3"), ("B F2", "BF3"), ("B O2", "B2O3")),
    *(("Si Cl2", "SiCl4"), ("C F2", "CF4"), ("S F2", "SF6"), ("N2 F2", "NF3"), ("Cr O2", "Cr2O3")),
    *(("Cr Cl2", "CrCl3"), ("Sn Cl2", "SnCl4"), ("Fe Br2", "FeBr3"), ("Pb O2", "PbO")),
    *(("Fe O2", "Fe2O3"), ("Cu O2", "Cu2O"), ("Cu O2", "CuO"), ("Ag S", "Ag2S"), ("Cr S", "Cr2S3")),
    *(("Na2O H2O", "NaOH"), ("K2O H2O", "KOH"), ("Li2O H2O", "LiOH"), ("P2O5 H2O", "H3PO4")),
    *(("H2O2", "H2O O2"), ("KClO3", "KCl O2"), ("KNO3", "KNO2 O2"), ("Ag2O", "Ag O2")),
    *(("Al(OH)3", "Al2O3 H2O"), ("Fe(OH)3", "Fe2O3 H2O"), ("LiOH", "Li2O H2O"), ("NH3", "N2 H2")),
    *(("NaHCO3", "Na2CO3 H2O CO2"), ("KHCO3", "K2CO3 H2O CO2"), ("N2O5", "NO2 O2")),
    *(("Pb(NO3)2", "PbO NO2 O2"), ("Cu(NO3)2", "CuO NO2 O2"), ("AgNO3", "Ag NO2 O2")),
    *(("CH4", "C H2"), ("C2H6", "C H2"), ("C3H8", "C H2"), ("SO3", "SO2 O2")),
)


def _made(left: str, right: str) -> Reaction:
    return Reaction(left=tuple(left.split()), right=tuple(right.split()))


def _from_elements() -> list[Reaction]:
    alkali, earths = ("Li", "Na", "K", "Rb", "Cs"), ("Be", "Mg", "Ca", "Sr", "Ba")
    charges = dict.fromkeys(alkali, 1) | dict.fromkeys((*earths, "Zn", "Ni"), 2) | {"Al": 3}
    made = [
        _made(f"{metal} {x}2", salt(metal, x, charge))
        for metal, charge in charges.items()
        for x in ("F", "Cl", "Br", "I")
    ]
    made += [_made(f"{m} O2", salt(m, "O", charges[m])) for m in ("Li", *earths, "Zn", "Al", "Ni")]
    made += [_made(f"{m} S", salt(m, "S", charges[m])) for m in (*alkali, "Al")]
    made += [_made("Li N2", "Li3N"), _made("Al N2", "AlN")]
    made += [_made(f"{m} N2", f"{m}3N2") for m in earths]
    made += [_made(f"{m} H2O", f"{salt(m, 'OH', charges[m])} H2") for m in (*alkali, *earths[2:])]
    made += [_made(f"H2 {x}2", f"H{x}") for x in ("F", "Cl", "Br", "I")]
    return made + [_made(left, right) for left, right in SINGLE]


def _displacements() -> list[Reaction]:
    pairs = [(a, b) for i, a in enumerate(ACTIVE) for b in ACTIVE[i + 1 :]]
    made = [
        _made(f"{a} {salt(b, x)}", f"{salt(a, x)} {b}")
        for a, b in pairs
        for x in ("Cl", "NO3", "SO4")
        if (b, x) not in (("Ag", "Cl"), ("Ag", "SO4"))
    ]
    made += [
        _made(f"{m} {acid}", f"{salt(m, x)} H2")
        for m in ("Mg", "Al", "Zn", "Fe")
        for acid, x in ACIDS.items()
        if acid in ("HCl", "HBr", "H2SO4")
    ]
    made += [_made(f"{oxide} H2", f"{metal} H2O") for oxide, metal in OXIDES]
    return made + [_made(f"Al {oxide}", f"{metal} Al2O3") for oxide, metal in OXIDES]


def _precipitations() -> list[Reaction]:
    made = []
    for metal, anion in INSOLUBLE:
        for other in ("Na", "K"):
            for x in ("NO3",) if metal == "Ag" else ("Cl", "NO3"):
                left = f"{salt(metal, x)} {salt(other, anion)}"
                made.append(_made(left, f"{salt(metal, anion)} {salt(other, x)}"))
    return made


def _neutralisations() -> list[Reaction]:
    made = []
    for acid, x in ACIDS.items():
        made += [_made(f"{acid} {salt(m, 'OH')}", f"{salt(m, x)} H2O") for m in BASES]
        made += [
            _made(f"{acid} {salt(m, 'CO3')}", f"{salt(m, x)} H2O CO2")
            for m in ("Na", "K", "Ca", "Mg", "Zn")
        ]
        made += [
            _made(f"{acid} {salt(m, 'HCO3')}", f"{salt(m, x)} H2O CO2")
            for m in ("Na", "K", "Ca", "Mg")
        ]
    return made


def _combustions() -> list[Reaction]:
    fuels = [f"C{_count(n)}H{2 * n + 2}" for n in range(1, 13)]
    fuels += [f"C{n}H{2 * n}" for n in range(2, 13)] + [f"C{n}H{2 * n - 2}" for n in range(2, 9)]
    fuels += [f"C{_count(n)}H{2 * n + 2}O" for n in range(1, 11)]
    fuels += [f"C{n}H{2 * n}O2" for n in range(2, 9)] + ["C6H12O6", "C12H22O11", "C6H6", "C7H8"]
    return [_made(f"{fuel} O2", "CO2 H2O") for fuel in fuels]


def _count(number: int) -> str:
    return "" if number == 1 else str(number)


def _unbalanced(*kinds: list[Reaction]) -> tuple[Reaction, ...]:
    reactions = dict.fromkeys(reaction for kind in kinds for reaction in kind)
    return tuple(reaction for reaction in reactions if set(balance(reaction)[1]) != {1})


REACTIONS: dict[Level, tuple[Reaction, ...]] = {
    "easy": _unbalanced(_from_elements()),
    "medium": _unbalanced(_displacements(), _precipitations()),
    "hard": _unbalanced(_neutralisations(), _combustions()),
}
