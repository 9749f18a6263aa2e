"""Motion along a line: speed, acceleration, braking, meeting, falling, thrown sideways."""

from fractions import Fraction
from typing import ClassVar, final

from naga.tasks.science.laws import Law, LawTask

G = (10, 10, Fraction("9.8"))
LAWS = (
    Law(
        name="distance",
        level="easy",
        given={"v": range(2, 41), "t": range(2, 61)},
        steps=("s=v*t",),
        unit="m",
        english=(
            "A cyclist rides at {v} m/s for {t} s. How far does the cyclist get?",
            "An object moves at a constant speed of {v} m/s. What distance does it cover in {t} s?",
        ),
        chinese=(
            "一名骑手以 {v} m/s 的速度骑行 {t} s，骑了多远？",
            "物体以 {v} m/s 的恒定速度运动，{t} s 内通过的路程是多少？",
        ),
    ),
    Law(
        name="speed",
        level="easy",
        given={"s": range(10, 601), "t": range(2, 41)},
        steps=("v=s/t",),
        unit="m/s",
        english=(
            "A runner covers {s} m in {t} s. What is the average speed?",
            "A cart needs {t} s for {s} m. Find its average speed.",
        ),
        chinese=(
            "一名运动员用 {t} s 跑了 {s} m，平均速度是多少？",
            "小车 {t} s 内行驶 {s} m，求平均速度。",
        ),
    ),
    Law(
        name="time",
        level="easy",
        given={"s": range(20, 901), "v": range(2, 31)},
        steps=("t=s/v",),
        unit="s",
        english=(
            "How long does it take to travel {s} m at {v} m/s?",
            "A boat moves at {v} m/s. How much time does it need for {s} m?",
        ),
        chinese=(
            "以 {v} m/s 的速度行驶 {s} m 需要多长时间？",
            "小船的速度是 {v} m/s，走完 {s} m 要多少时间？",
        ),
    ),
    Law(
        name="final-speed",
        level="medium",
        given={"u": range(1, 21), "a": range(1, 10), "t": range(2, 16)},
        steps=("v=u+a*t",),
        unit="m/s",
        english=(
            "A car moving at {u} m/s accelerates at {a} m/s^2 for {t} s. What is its final speed?",
            "Starting at {u} m/s, a body accelerates by {a} m/s^2. How fast is it after {t} s?",
        ),
        chinese=(
            "汽车以 {u} m/s 行驶，以 {a} m/s^2 加速 {t} s，末速度是多少？",
            "物体初速度为 {u} m/s，加速度为 {a} m/s^2，求 {t} s 后的速度。",
        ),
    ),
    Law(
        name="acceleration",
        level="medium",
        given={"u": range(1, 21), "v": range(10, 51), "t": range(2, 13)},
        steps=("a=(v-u)/t",),
        unit="m/s^2",
        english=(
            "A train speeds up from {u} m/s to {v} m/s in {t} s. Find its acceleration.",
            "The speed of a body grows from {u} m/s to {v} m/s within {t} s. "
            "What is the acceleration?",
        ),
        chinese=(
            "列车在 {t} s 内由 {u} m/s 加速到 {v} m/s，求加速度。",
            "物体的速度在 {t} s 内从 {u} m/s 增大到 {v} m/s，加速度是多少？",
        ),
    ),
    Law(
        name="average-speed",
        level="medium",
        given={"v": range(2, 21), "t": range(2, 21), "w": range(2, 21), "z": range(2, 21)},
        steps=("s=v*t+w*z", "c=s/(t+z)"),
        unit="m/s",
        english=(
            "A walker goes {v} m/s for {t} s and then {w} m/s for {z} s. "
            "What is the average speed of the whole way?",
            "A robot moves at {v} m/s for {t} s, then at {w} m/s for {z} s. "
            "Find its average speed.",
        ),
        chinese=(
            "某人先以 {v} m/s 走 {t} s，再以 {w} m/s 走 {z} s，全程的平均速度是多少？",
            "机器人以 {v} m/s 运动 {t} s，然后以 {w} m/s 运动 {z} s，求平均速度。",
        ),
    ),
    Law(
        name="displacement",
        level="hard",
        given={"u": range(1, 21), "a": range(1, 9), "t": range(2, 13)},
        steps=("s=u*t+a*t*t/2",),
        unit="m",
        english=(
            "A car moving at {u} m/s accelerates at {a} m/s^2. How far does it go in {t} s?",
            "With an initial speed of {u} m/s and an acceleration of {a} m/s^2, what distance is "
            "covered in {t} s?",
        ),
        chinese=(
            "汽车初速度 {u} m/s，加速度 {a} m/s^2，{t} s 内行驶多远？",
            "物体以 {u} m/s 的初速度、{a} m/s^2 的加速度运动 {t} s，求位移。",
        ),
    ),
    Law(
        name="speed-after-distance",
        level="hard",
        given={"u": range(1, 21), "a": range(1, 11), "s": range(5, 101)},
        steps=("v^2=u*u+2*a*s",),
        unit="m/s",
        english=(
            "A body at {u} m/s accelerates at {a} m/s^2 over {s} m. How fast is it then?",
            "A sled moving at {u} m/s speeds up by {a} m/s^2 along {s} m. Find its final speed.",
        ),
        chinese=(
            "物体以 {u} m/s 的初速度、{a} m/s^2 的加速度前进 {s} m，末速度是多少？",
            "雪橇的速度为 {u} m/s，以 {a} m/s^2 加速滑行 {s} m，求末速度。",
        ),
    ),
    Law(
        name="stopping-distance",
        level="hard",
        given={"v": range(8, 41), "r": (Fraction("0.5"), 1, Fraction("1.5"), 2), "a": range(2, 11)},
        steps=("d=v*r", "b=v*v/(2*a)", "s=d+b"),
        unit="m",
        english=(
            "A driver at {v} m/s reacts after {r} s and then brakes at {a} m/s^2. "
            "How long is the whole way to a stop?",
            "Find the stopping distance from {v} m/s with a reaction time of {r} s and a "
            "deceleration of {a} m/s^2.",
        ),
        chinese=(
            "司机以 {v} m/s 行驶，反应时间 {r} s，然后以 {a} m/s^2 减速，到停下共行驶多远？",
            "车速 {v} m/s，反应时间 {r} s，刹车减速度 {a} m/s^2，求停车距离。",
        ),
    ),
    Law(
        name="meeting",
        level="hard",
        given={"d": range(50, 1001, 10), "v": range(2, 26), "w": range(2, 26)},
        steps=("t=d/(v+w)", "s=v*t"),
        unit="m",
        english=(
            "Two trolleys {d} m apart move towards each other at {v} m/s and {w} m/s. "
            "How far has the first one moved when they meet?",
            "Ann walks at {v} m/s, Bob comes towards her at {w} m/s; they start {d} m apart. "
            "How far does Ann get before they meet?",
        ),
        chinese=(
            "两辆小车相距 {d} m，分别以 {v} m/s 和 {w} m/s 相向而行，相遇时第一辆走了多远？",
            "甲以 {v} m/s、乙以 {w} m/s 从相距 {d} m 处相向出发，相遇时甲走了多少？",
        ),
    ),
    Law(
        name="sideways-throw",
        level="hard",
        given={"h": range(5, 501, 5), "v": range(2, 31), "g": G},
        steps=("t^2=2*h/g", "x=v*t"),
        unit="m",
        english=(
            "A ball is thrown horizontally at {v} m/s from a height of {h} m (g = {g} m/s^2, "
            "no air resistance). How far away does it land?",
            "A stone leaves a cliff of {h} m horizontally at {v} m/s. With g = {g} m/s^2, at what "
            "horizontal distance does it hit the ground?",
        ),
        chinese=(
            "从 {h} m 高处以 {v} m/s 水平抛出小球（g = {g} m/s^2，不计空气阻力），水平射程是多少？",
            "石块以 {v} m/s 水平离开 {h} m 高的悬崖，取 g = {g} m/s^2，落地点的水平距离是多少？",
        ),
    ),
)


@final
class Kinematics(LawTask):
    name: ClassVar[str] = "kinematics"
    laws: ClassVar[tuple[Law, ...]] = LAWS
