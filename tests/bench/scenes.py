"""The tasks of the benchmark, and the one path on which every product solves them.

A scene is material (files, web pages) with figures drawn anew, a task, and the right answer. A
policy is not given the scene: it reads the task, lists the steps that follow from it, and takes the
first whose result it has not been shown. So all products go the same way, each in its protocol.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

FIGURE = re.compile(r"The (\w+) figure is (\d+)")
YIELD = re.compile(r"The yield of station (\d+) is (\d+)")
READINGS = re.compile(r"Readings of station (\d+): (\d+), (\d+) and (\d+)\.")
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)
SITE = "{site}"
STATIONS = 20
CHAINED = "plus the yield of the station before"
MEND = "The program failed. Mend it and write the whole program again."
_ERROR = re.compile(r"is not defined|exited with an error")


@dataclass(frozen=True, slots=True)
class Scene:
    """One task with its material. `delegations` is how many times a lead hands over work."""

    name: str
    task: str
    answer: str
    delegations: int
    files: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One delegation: to whom, in which words, and what shows that it is done. `use` is what the
    step is about: a file, an address, the name of a link, or a program."""

    agent: str
    ask: str
    shown: re.Pattern[str]
    use: str = ""


def trivial(draw: random.Random) -> Scene:
    """A question that a model can answer by itself."""
    words = draw.sample(["apple", "plum", "cherry", "damson", "quince", "fig"], 2)
    task = f"Which of these two words comes first in the alphabet: {words[0]} or {words[1]}?"
    return Scene("trivial", task, f'"{min(words)}" comes first', 1)


def code(draw: random.Random) -> Scene:
    """Write a program, run it, mend it, run it again."""
    limit, factor = draw.randint(300, 900), draw.randint(3, 9)
    task = f"Compute the survey figure by a program: {_survey_words(limit, factor)}."
    return Scene("code", task, f"The survey figure is {_survey(limit, factor)}", 4)


def mixed(draw: random.Random) -> Scene:
    """Five independent branches (two files, two sites, one program) and a sum over them."""
    limit, factor = draw.randint(300, 900), draw.randint(3, 9)
    figures = {name: draw.randint(1000, 9999) for name in ("harbour", "grain", "toll", "market")}
    task = (
        "Add up five figures. The harbour figure stands near the end of the file harbour.txt. The "
        "grain figure stands in the file grain.txt. The toll figure stands on the page behind the "
        f'link "Tariff" of {SITE}/toll.html. The market figure stands on {SITE}/market.html. '
        f"The survey figure is to be computed by a program: {_survey_words(limit, factor)}. "
        "Compute the total figure by a program, too."
    )
    harbour = _lines(draw, 6_500)
    harbour.insert(-4, f"The harbour figure is {figures['harbour']}.")
    grain = _lines(draw, 2_500)
    grain.insert(3, f"The grain figure is {figures['grain']}.")
    links = [(f"{word} register", "/toll.html") for word in ("Salt", "Wine", "Timber", "Slate")]
    toll = _lines(draw, 1_200)
    tariff = [f"The toll figure is {figures['toll']}.", *_lines(draw, 1_000)]
    market = [f"The market figure is {figures['market']}.", *_lines(draw, 1_000)]
    return Scene(
        "mixed",
        task,
        f"The total figure is {sum(figures.values()) + _survey(limit, factor)}",
        12,
        {"harbour.txt": "\n".join(harbour), "grain.txt": "\n".join(grain)},
        {
            "/": _page("Home", ["Nothing here."], []),
            "/toll.html": _page("Toll house", toll, [*links, ("Tariff", "/tariff.html")]),
            "/tariff.html": _page("Tariff", tariff, links),
            "/market.html": _page("Market", market, links),
        },
    )


def files(draw: random.Random) -> Scene:
    """Twelve delegations without a browser: four files, one program, and a sum over them."""
    limit, factor = draw.randint(300, 900), draw.randint(3, 9)
    figures = {name: draw.randint(1000, 9999) for name in ("harbour", "market", "grain", "toll")}
    task = (
        "Add up five figures. The harbour figure stands near the end of the file harbour.txt. The "
        "market figure stands near the end of the file market.txt. The grain figure stands in the "
        "file grain.txt. The toll figure stands in the file toll.txt. The survey figure is to be "
        f"computed by a program: {_survey_words(limit, factor)}. Compute the total figure by a "
        "program, too."
    )
    material = {}
    for name, value in figures.items():
        late = f"{name} figure stands near the end" in task
        lines = _lines(draw, 6_500 if late else 2_000)
        lines.insert(-4 if late else 3, f"The {name} figure is {value}.")
        material[f"{name}.txt"] = "\n".join(lines)
    total = sum(figures.values()) + _survey(limit, factor)
    return Scene("files", task, f"The total figure is {total}", 12, material)


def stations(draw: random.Random) -> Scene:
    """Sixty delegations: twenty times a file to read, a program to write, a program to run."""
    readings, files = _stations(draw)
    yields = {n: one * two + three for n, (one, two, three) in readings.items()}
    best = max(yields, key=lambda n: (yields[n], -n))
    task = (
        f"There are {STATIONS} stations, each with a file: {_station_file(1)} to "
        f"{_station_file(STATIONS)}. The yield of a station is its first reading times its second, "
        "plus its third. Compute each yield by a program of its own. Which station has the highest "
        "yield, and how high is it?"
    )
    answer = f"Station {best} has the highest yield: {yields[best]}"
    return Scene("60 steps", task, answer, 3 * STATIONS, files)


def chain(draw: random.Random) -> Scene:
    """The same sixty one after the other: each program needs what the one before has printed."""
    readings, files = _stations(draw)
    last = sum(one * two + three for one, two, three in readings.values())
    task = (
        f"There are {STATIONS} stations, each with a file: {_station_file(1)} to "
        f"{_station_file(STATIONS)}. The yield of a station is its first reading times its second, "
        f"plus its third, {CHAINED} (none before the first). Compute each yield by a program of "
        "its own, one after the other. How high is the yield of the last station?"
    )
    answer = f"The last station has the yield {last}"
    return Scene("60 in a chain", task, answer, 3 * STATIONS, files)


def steps_of(task: str) -> list[Step]:
    """What has to be done for a task, read out of its words, in order."""
    if found := re.search(r"file: (station-\d+\.txt) to station-(\d+)\.txt", task):
        return [step for n in range(1, int(found[2]) + 1) for step in _station_steps(n)]
    if "the total figure" not in task:
        return _survey_steps(task)
    return [*_file_steps(task), *_web_steps(task), *_survey_steps(task), *_total_steps()]


def next_step(task: str, shown: str) -> Step | None:
    """The first step whose result has not been shown."""
    return next((step for step in steps_of(task) if not step.shown.search(shown)), None)


def mending(task: str, run: Step) -> Step:
    """What to do instead of running a program that has just failed: have it mended."""
    steps = steps_of(task)
    write = steps[steps.index(run) - 1]
    ask = write.ask if write.ask.startswith(MEND) else f"{MEND} {write.ask}"
    return Step("Coder", ask, write.shown)


def survey_program(told: str, *, right: bool) -> str:
    """The program for the survey figure; the first one that anybody writes has a slip in it."""
    found = re.search(r"numbers from 1 to (\d+) that can be divided by (\d+)", told)
    assert found
    name = "numbers" if right else "number"
    return (
        f"numbers = [n for n in range(1, {found[1]} + 1) if n % {found[2]} == 0]\n"
        f'print("The survey figure is", sum(n * n for n in {name}))\n'
    )


def total_program(shown: str) -> str:
    """The program that adds up the five figures that were shown."""
    figures = dict(FIGURE.findall(shown))
    figures.pop("total", None)
    terms = " + ".join(figures.values())
    return f'print("The total figure is", {terms})  # {", ".join(figures)}\n'


def station_program(number: int, shown: str) -> str:
    """The program for one station, with the readings that were shown."""
    readings = {int(found[0]): found[1:] for found in READINGS.findall(shown)}
    one, two, three = readings[number]
    before = ""
    if CHAINED in shown and number > 1:
        yields = {int(found[0]): found[1] for found in YIELD.findall(shown)}
        before = f" + {yields[number - 1]}"
    return f'print("The yield of station {number} is", {one} * {two} + {three}{before})\n'


def answer_of(task: str, shown: str) -> str | None:
    """The answer, when the figures that it needs were shown."""
    if found := re.search(r"alphabet: (\w+) or (\w+)\?", task):
        return f'"{min(found[1], found[2])}" comes first'
    if found := re.search(r"There are (\d+) stations", task):
        yields = {int(number): int(value) for number, value in YIELD.findall(shown)}
        if len(yields) < int(found[1]):
            return None
        if CHAINED in task:
            return f"The last station has the yield {yields[int(found[1])]}"
        best = max(yields, key=lambda n: (yields[n], -n))
        return f"Station {best} has the highest yield: {yields[best]}"
    name = "total" if "the total figure" in task else "survey"
    value = dict(FIGURE.findall(shown)).get(name)
    return value and f"The {name} figure is {value}"


def station_of(text: str) -> int:
    """The station that an instruction is about."""
    found = re.search(r"station (\d+)", text)
    assert found, text
    return int(found[1])


def _file_steps(task: str) -> list[Step]:
    steps = []
    for name, file in re.findall(
        r"The (\w+) figure stands near the end of the file (\S+\.txt)", task
    ):
        opened = _either(_place(file), _figure(name))
        steps += [
            Step("FileSurfer", f"Open the file {file}.", opened, file),
            Step("FileSurfer", f"Go on in {file}: find the {name} figure.", _figure(name)),
        ]
    for name, file in re.findall(r"The (\w+) figure stands in the file (\S+\.txt)", task):
        steps.append(Step("FileSurfer", f"Open {file}: the {name} figure.", _figure(name), file))
    return steps


def _web_steps(task: str) -> list[Step]:
    steps = []
    for name, link, url in re.findall(
        r'The (\w+) figure stands on the page behind the link "(\w+)" of (\S+)\.', task
    ):
        opened = _either(_place(url), _figure(name))
        steps += [
            Step("WebSurfer", f"Open {url} in the browser.", opened, url),
            Step("WebSurfer", f'Follow the link "{link}".', _figure(name), link),
        ]
    for name, url in re.findall(r"The (\w+) figure stands on (http\S+)\.", task):
        steps.append(Step("WebSurfer", f"Open {url} in the browser.", _figure(name), url))
    return steps


def _survey_steps(task: str) -> list[Step]:
    found = re.search(r"by a program: (the sum of the squares .*?)\.", task)
    if not found:
        return []
    write = f"Write a program that prints the survey figure: {found[1]}."
    done = _figure("survey")
    return [
        Step("Coder", write, _either(re.compile(r"for n in number\)"), done)),
        Step("ComputerTerminal", "Run the program.", _either(_ERROR, done)),
        Step("Coder", f"{MEND} {write}", _either(re.compile(r"for n in numbers\)"), done)),
        Step("ComputerTerminal", "Run the mended program.", done),
    ]


def _total_steps() -> list[Step]:
    write = "Write a program that adds up the five figures and prints the total figure."
    done = _figure("total")
    return [
        Step("Coder", write, _either(re.compile(r"The total figure is\","), done)),
        Step("ComputerTerminal", "Run the program of the sum.", done),
    ]


def _station_steps(number: int) -> list[Step]:
    place = f"station {number}"
    read = re.compile(rf"Readings of {place}: \d")
    return [
        Step(
            "FileSurfer", f"Open {_station_file(number)} of {place}.", read, _station_file(number)
        ),
        Step(
            "Coder",
            f"Write a program that prints the yield of {place}.",
            re.compile(rf"The yield of {place} is\","),
        ),
        Step(
            "ComputerTerminal",
            f"Run the program of {place}.",
            re.compile(rf"The yield of {place} is \d"),
        ),
    ]


def _stations(draw: random.Random) -> tuple[dict[int, list[int]], dict[str, str]]:
    """The readings of every station, and the files that hold them."""
    readings = {n: [draw.randint(10, 99) for _ in range(3)] for n in range(1, STATIONS + 1)}
    files = {}
    for number, (one, two, three) in readings.items():
        text = _lines(draw, 1_900)
        line = f"Readings of station {number}: {one}, {two} and {three}."
        text.insert(draw.randint(2, 9), line)
        files[_station_file(number)] = "\n".join(text)
    return readings, files


def _station_file(number: int) -> str:
    return f"station-{number:02}.txt"


def _figure(name: str) -> re.Pattern[str]:
    return re.compile(rf"The {name} figure is \d")


def _place(use: str) -> re.Pattern[str]:
    """What a file viewer or a browser says of the place where it is."""
    return re.compile(rf"(?:Path: \S*|open to the page \[[^\]]*\]\(){re.escape(use)}")


def _either(*ways: re.Pattern[str]) -> re.Pattern[str]:
    """What shows that a step is done, or that one after it is."""
    return re.compile("|".join(f"(?:{way.pattern})" for way in ways))


def _survey_words(limit: int, factor: int) -> str:
    return (
        f"the sum of the squares of all numbers from 1 to {limit} that can be divided by {factor}"
    )


def _survey(limit: int, factor: int) -> int:
    return sum(n * n for n in range(1, limit + 1) if n % factor == 0)


def _lines(draw: random.Random, chars: int) -> list[str]:
    """Filling: lines as a register has them, about so many characters."""
    words = ["barrels", "bales", "casks", "crates", "sacks", "coils", "planks", "jars"]
    lines: list[str] = []
    while sum(len(line) + 1 for line in lines) < chars:
        who, what = draw.choice(["Ostia", "Puteoli", "Gades", "Tyre"]), draw.choice(words)
        lines.append(f"Entry {len(lines) + 1}: {draw.randint(2, 80)} {what} from {who}, in order.")
    return lines


def _page(title: str, lines: Sequence[str], links: Sequence[tuple[str, str]]) -> str:
    shown = "".join(f"<p>{line}</p>\n" for line in lines)
    ways = "".join(f'<li><a href="{place}">{name}</a></li>\n' for name, place in links)
    head = f"<!doctype html><html><head><title>{title}</title></head>"
    return f"{head}<body><h1>{title}</h1>\n<ul>\n{ways}</ul>\n{shown}</body></html>"
