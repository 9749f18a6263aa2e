"""Forces: Newton's second law, weight, friction, springs, levers, pressure, momentum."""

from fractions import Fraction
from typing import ClassVar, final

from naga.tasks.science.laws import Law, LawTask, tenths

G = (10, 10, Fraction("9.8"))
LAWS = (
    Law(
        name="newton",
        level="easy",
        given={"m": range(2, 61), "a": range(2, 21)},
        steps=("F=m*a",),
        unit="N",
        english=(
            "What force gives a body of {m} kg an acceleration of {a} m/s^2?",
            "A cart of {m} kg accelerates at {a} m/s^2. Find the net force on it.",
        ),
        chinese=(
            "使质量 {m} kg 的物体产生 {a} m/s^2 的加速度需要多大的力？",
            "质量为 {m} kg 的小车加速度为 {a} m/s^2，求合力。",
        ),
    ),
    Law(
        name="mass-acceleration",
        level="easy",
        given={"F": range(4, 301), "m": range(2, 41)},
        steps=("a=F/m",),
        unit="m/s^2",
        english=(
            "A net force of {F} N acts on {m} kg. What is the acceleration?",
            "How fast does a mass of {m} kg accelerate under a net force of {F} N?",
        ),
        chinese=(
            "{F} N 的合力作用在 {m} kg 的物体上，加速度是多少？",
            "质量 {m} kg 的物体受到 {F} N 的合力，求加速度。",
        ),
    ),
    Law(
        name="weight",
        level="easy",
        given={"m": range(2, 121), "g": G},
        steps=("W=m*g",),
        unit="N",
        english=(
            "What is the weight of a mass of {m} kg (g = {g} m/s^2)?",
            "With g = {g} m/s^2, how large is the force of gravity on {m} kg?",
        ),
        chinese=(
            "质量 {m} kg 的物体重力是多少（g = {g} m/s^2）？",
            "取 g = {g} m/s^2，求 {m} kg 物体所受的重力。",
        ),
    ),
    Law(
        name="spring",
        level="easy",
        given={"k": range(10, 401, 10), "x": tenths(1, 9)},
        steps=("F=k*x",),
        unit="N",
        english=(
            "A spring of {k} N/m is stretched by {x} m. What force does it exert?",
            "Which force stretches a spring with k = {k} N/m by {x} m?",
        ),
        chinese=(
            "劲度系数 {k} N/m 的弹簧伸长 {x} m，弹力是多少？",
            "把 k = {k} N/m 的弹簧拉长 {x} m 需要多大的力？",
        ),
    ),
    Law(
        name="friction",
        level="medium",
        given={"q": tenths(1, 8), "m": range(2, 61), "g": G},
        steps=("f=q*m*g",),
        unit="N",
        english=(
            "A box of {m} kg slides on a level floor with friction coefficient {q} "
            "(g = {g} m/s^2). Find the friction force.",
            "How large is the friction on {m} kg sliding on level ground, with a coefficient of "
            "{q} and g = {g} m/s^2?",
        ),
        chinese=(
            "{m} kg 的箱子在水平地面上滑动，动摩擦因数 {q}（g = {g} m/s^2），摩擦力是多少？",
            "取 g = {g} m/s^2，质量 {m} kg 的物体在水平面上滑动，摩擦因数为 {q}，求摩擦力。",
        ),
    ),
    Law(
        name="net-force",
        level="medium",
        given={"F": range(20, 301), "f": range(2, 61), "m": range(2, 41)},
        steps=("a=(F-f)/m",),
        unit="m/s^2",
        english=(
            "A sledge of {m} kg is pulled with {F} N against a friction of {f} N. "
            "Find its acceleration.",
            "A force of {F} N pushes {m} kg; {f} N of friction oppose it. "
            "What is the acceleration?",
        ),
        chinese=(
            "用 {F} N 的力拉 {m} kg 的雪橇，摩擦力 {f} N，加速度是多少？",
            "{m} kg 的物体受 {F} N 的推力和 {f} N 的摩擦力，求加速度。",
        ),
    ),
    Law(
        name="lever",
        level="medium",
        given={"F": range(5, 201, 5), "d": tenths(2, 30), "e": tenths(2, 30)},
        steps=("M=F*d", "R=M/e"),
        unit="N",
        english=(
            "A lever carries {F} N at {d} m from its pivot. What force at {e} m on the other side "
            "balances it?",
            "On a seesaw {F} N press {d} m left of the pivot. Which force {e} m right of it keeps "
            "the balance?",
        ),
        chinese=(
            "杠杆上距支点 {d} m 处作用 {F} N 的力，另一侧距支点 {e} m 处用多大的力可以平衡？",
            "跷跷板左侧 {d} m 处受力 {F} N，右侧 {e} m 处需要多大的力才能平衡？",
        ),
    ),
    Law(
        name="lift",
        level="medium",
        given={"m": range(20, 101), "g": G, "a": tenths(5, 30)},
        steps=("N=m*(g+a)",),
        unit="N",
        english=(
            "A person of {m} kg stands in a lift that accelerates upwards at {a} m/s^2. With "
            "g = {g} m/s^2, what force does the floor exert?",
            "A lift accelerates upwards at {a} m/s^2 (g = {g} m/s^2). With what force does the "
            "floor carry a load of {m} kg?",
        ),
        chinese=(
            "质量 {m} kg 的人站在以 {a} m/s^2 向上加速的电梯里（g = {g} m/s^2），"
            "地板的支持力是多少？",
            "电梯以 {a} m/s^2 加速上升，取 g = {g} m/s^2，求地板对 {m} kg 物体的支持力。",
        ),
    ),
    Law(
        name="pulled-box",
        level="hard",
        given={
            "F": range(20, 401),
            "q": tenths(1, 6),
            "m": range(2, 41),
            "g": (10,),
            "t": range(2, 9),
        },
        steps=("f=q*m*g", "a=(F-f)/m", "v=a*t"),
        unit="m/s",
        english=(
            "A box of {m} kg at rest is pulled with {F} N along a level floor, friction "
            "coefficient {q}, g = {g} m/s^2. How fast is it after {t} s?",
            "With {F} N a crate of {m} kg is pushed from rest over level ground (friction "
            "coefficient {q}, g = {g} m/s^2). Find its speed after {t} s.",
        ),
        chinese=(
            "用 {F} N 的水平力拉静止的 {m} kg 箱子，摩擦因数 {q}，g = {g} m/s^2，"
            "{t} s 后速度多大？",
            "静止在水平面上的 {m} kg 木箱受 {F} N 的水平推力（摩擦因数 {q}，g = {g} m/s^2），"
            "求 {t} s 末的速度。",
        ),
    ),
    Law(
        name="pulley",
        level="hard",
        given={"m": range(3, 21), "n": range(1, 16), "g": (10,)},
        steps=("a=(m-n)*g/(m+n)", "T=n*(g+a)"),
        unit="N",
        english=(
            "Masses of {m} kg and {n} kg hang on a rope over a frictionless pulley "
            "(g = {g} m/s^2). What is the tension of the rope?",
            "Over a light pulley without friction hang {m} kg and {n} kg on one rope. "
            "Find the rope's tension with g = {g} m/s^2.",
        ),
        chinese=(
            "一根绳绕过无摩擦的定滑轮，两端挂 {m} kg 和 {n} kg 的物体（g = {g} m/s^2），"
            "绳的张力是多少？",
            "轻质光滑滑轮两边分别悬挂 {m} kg 与 {n} kg，取 g = {g} m/s^2，求绳中张力。",
        ),
    ),
    Law(
        name="collision",
        level="hard",
        given={"m": range(2, 31), "u": range(2, 21), "n": range(2, 31), "w": range(1, 13)},
        steps=("p=m*u+n*w", "v=p/(m+n)"),
        unit="m/s",
        english=(
            "A wagon of {m} kg at {u} m/s hits one of {n} kg moving the same way at {w} m/s, and "
            "they couple. How fast do they move together?",
            "{m} kg at {u} m/s and {n} kg at {w} m/s, in the same direction, collide and stick "
            "together. Find their common speed.",
        ),
        chinese=(
            "{m} kg 的小车以 {u} m/s 撞上同向以 {w} m/s 运动的 {n} kg 小车并连在一起，"
            "共同速度是多少？",
            "质量 {m} kg、速度 {u} m/s 与质量 {n} kg、速度 {w} m/s 的两物体同向运动，"
            "碰后粘在一起，求共同速度。",
        ),
    ),
)


@final
class Forces(LawTask):
    name: ClassVar[str] = "forces"
    laws: ClassVar[tuple[Law, ...]] = LAWS
