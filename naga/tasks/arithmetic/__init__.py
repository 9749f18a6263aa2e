"""Arithmetic: expressions, equations, number theory, the countdown game, dates."""

from naga.tasks.arithmetic.chain_sum import ChainSum
from naga.tasks.arithmetic.countdown import Countdown
from naga.tasks.arithmetic.dates import Dates
from naga.tasks.arithmetic.digits import Digits
from naga.tasks.arithmetic.divisors import Divisors
from naga.tasks.arithmetic.equation import Equation
from naga.tasks.arithmetic.expressions import Expressions
from naga.tasks.arithmetic.factors import Factors
from naga.tasks.arithmetic.modulo import Modulo
from naga.tasks.arithmetic.primes import Primes
from naga.tasks.arithmetic.system import System

__all__ = [
    "ChainSum",
    "Countdown",
    "Dates",
    "Digits",
    "Divisors",
    "Equation",
    "Expressions",
    "Factors",
    "Modulo",
    "Primes",
    "System",
]
