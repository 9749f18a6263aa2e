"""Work, power and energy: height, motion, springs, heat, efficiency, and their conservation."""

from fractions import Fraction
from typing import ClassVar, final

from naga.tasks.science.laws import Law, LawTask, tenths

G = (10, 10, Fraction("9.8"))
LAWS = (
    Law(
        name="work",
        level="easy",
        given={"F": range(5, 101, 5), "s": range(2, 13)},
        steps=("W=F*s",),
        unit="J",
        english=(
            "A force of {F} N moves a body {s} m in its own direction. How much work is done?",
            "Find the work of a force of {F} N along {s} m.",
        ),
        chinese=(
            "{F} N 的力使物体沿力的方向移动 {s} m，做功多少？",
            "求 {F} N 的力在 {s} m 距离上所做的功。",
        ),
    ),
    Law(
        name="power",
        level="easy",
        given={"W": range(50, 3001, 10), "t": range(2, 61)},
        steps=("P=W/t",),
        unit="W",
        english=(
            "A motor does {W} J of work in {t} s. What is its power?",
            "{W} J are converted in {t} s. Find the power.",
        ),
        chinese=(
            "电动机 {t} s 内做功 {W} J，功率是多少？",
            "{t} s 内转化了 {W} J 的能量，求功率。",
        ),
    ),
    Law(
        name="electric-work",
        level="easy",
        given={"P": range(5, 101, 5), "t": range(2, 21)},
        steps=("E=P*t",),
        unit="J",
        english=(
            "How much energy does a lamp of {P} W use in {t} s?",
            "A device runs at {P} W for {t} s. What energy does it convert?",
        ),
        chinese=(
            "{P} W 的灯工作 {t} s 消耗多少能量？",
            "一台 {P} W 的设备运行 {t} s，转化的能量是多少？",
        ),
    ),
    Law(
        name="height",
        level="medium",
        given={"m": range(2, 81), "g": G, "h": range(2, 41)},
        steps=("E=m*g*h",),
        unit="J",
        english=(
            "A mass of {m} kg is lifted by {h} m (g = {g} m/s^2). "
            "How much potential energy does it gain?",
            "With g = {g} m/s^2, what work lifts {m} kg by {h} m?",
        ),
        chinese=(
            "把 {m} kg 的物体举高 {h} m（g = {g} m/s^2），重力势能增加多少？",
            "取 g = {g} m/s^2，将 {m} kg 的物体提升 {h} m 要做多少功？",
        ),
    ),
    Law(
        name="motion",
        level="medium",
        given={"m": range(2, 81), "v": range(2, 31)},
        steps=("E=m*v*v/2",),
        unit="J",
        english=(
            "What is the kinetic energy of {m} kg moving at {v} m/s?",
            "A body of {m} kg has a speed of {v} m/s. Find its kinetic energy.",
        ),
        chinese=(
            "质量 {m} kg 的物体以 {v} m/s 运动，动能是多少？",
            "求速度为 {v} m/s、质量为 {m} kg 的物体的动能。",
        ),
    ),
    Law(
        name="heat",
        level="medium",
        given={"c": (4200, 2100, 900, 450), "m": range(1, 11), "d": range(5, 61)},
        steps=("Q=c*m*d",),
        unit="J",
        english=(
            "How much heat warms {m} kg of a substance by {d} K if its specific heat is "
            "{c} J/(kg*K)?",
            "A body of {m} kg with a specific heat of {c} J/(kg*K) is heated by {d} K. "
            "How much heat does it take up?",
        ),
        chinese=(
            "比热容 {c} J/(kg*K) 的物质 {m} kg 升温 {d} K 需要多少热量？",
            "质量 {m} kg、比热容 {c} J/(kg*K) 的物体升高 {d} K，吸收多少热量？",
        ),
    ),
    Law(
        name="lifting-power",
        level="hard",
        given={"m": range(10, 201), "g": G, "h": range(3, 31), "t": range(2, 31)},
        steps=("W=m*g*h", "P=W/t"),
        unit="W",
        english=(
            "A crane lifts {m} kg by {h} m in {t} s (g = {g} m/s^2). What power does it need?",
            "With g = {g} m/s^2, find the power that raises {m} kg by {h} m within {t} s.",
        ),
        chinese=(
            "起重机在 {t} s 内把 {m} kg 的货物提升 {h} m（g = {g} m/s^2），功率是多少？",
            "取 g = {g} m/s^2，{t} s 内将 {m} kg 的物体提高 {h} m，求所需功率。",
        ),
    ),
    Law(
        name="speeding-up",
        level="hard",
        given={"m": range(2, 41), "u": range(1, 16), "v": range(5, 31)},
        steps=("K=m*u*u/2", "L=m*v*v/2", "W=L-K"),
        unit="J",
        english=(
            "How much work brings {m} kg from {u} m/s to {v} m/s?",
            "A body of {m} kg speeds up from {u} m/s to {v} m/s. "
            "By how much does its kinetic energy grow?",
        ),
        chinese=(
            "使 {m} kg 的物体从 {u} m/s 加速到 {v} m/s 需要做多少功？",
            "质量 {m} kg 的物体速度由 {u} m/s 增到 {v} m/s，动能增加多少？",
        ),
    ),
    Law(
        name="slide",
        level="hard",
        given={"u": range(1, 16), "g": (10,), "h": range(1, 61)},
        steps=("v^2=u*u+2*g*h",),
        unit="m/s",
        english=(
            "A sled at {u} m/s slides down a height of {h} m without friction (g = {g} m/s^2). "
            "How fast is it at the bottom?",
            "Without losses, what speed has a wagon after going down {h} m, if it started at "
            "{u} m/s (g = {g} m/s^2)?",
        ),
        chinese=(
            "雪橇以 {u} m/s 从 {h} m 高处无摩擦滑下（g = {g} m/s^2），到底端速度是多少？",
            "小车以 {u} m/s 出发，无能量损失地下降 {h} m（g = {g} m/s^2），此时速度多大？",
        ),
    ),
    Law(
        name="spring-shot",
        level="hard",
        given={"k": range(50, 2001, 50), "x": tenths(1, 6), "m": tenths(1, 40)},
        steps=("E=k*x*x/2", "v^2=2*E/m"),
        unit="m/s",
        english=(
            "A spring of {k} N/m, pressed together by {x} m, shoots a ball of {m} kg without "
            "losses. How fast is the ball?",
            "All the energy of a spring (k = {k} N/m, compressed by {x} m) goes into a mass of "
            "{m} kg. Find its speed.",
        ),
        chinese=(
            "劲度系数 {k} N/m 的弹簧压缩 {x} m，无损耗地弹出 {m} kg 的小球，小球速度是多少？",
            "弹簧（k = {k} N/m，压缩 {x} m）的能量全部传给 {m} kg 的物体，求其速度。",
        ),
    ),
    Law(
        name="efficiency",
        level="hard",
        given={
            "m": range(10, 101),
            "g": (10,),
            "h": range(2, 21),
            "P": range(100, 3001, 50),
            "t": range(2, 31),
        },
        steps=("W=m*g*h", "E=P*t", "n=W/E*100"),
        unit="%",
        largest=100,
        english=(
            "A motor of {P} W lifts {m} kg by {h} m in {t} s (g = {g} m/s^2). "
            "What is its efficiency in percent?",
            "Within {t} s a hoist that takes up {P} W raises {m} kg by {h} m. "
            "Find its efficiency in percent (g = {g} m/s^2).",
        ),
        chinese=(
            "{P} W 的电动机在 {t} s 内把 {m} kg 提升 {h} m（g = {g} m/s^2），效率是百分之几？",
            "输入功率 {P} W 的升降机 {t} s 内将 {m} kg 提高 {h} m，求效率（%）（g = {g} m/s^2）。",
        ),
    ),
)


@final
class Energy(LawTask):
    name: ClassVar[str] = "energy"
    laws: ClassVar[tuple[Law, ...]] = LAWS
