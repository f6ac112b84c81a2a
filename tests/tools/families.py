"""Lists the metric families that an engine's Python wheel declares, those of no table first.

    python -m tests.tools.families WHEEL... [--engine NAME]

Reads the source in the wheel, and runs none of it: calls whose last word is a kind of metric
(`Counter`, `_gauge_cls`, `create_histogram`, …), entries of dicts with such calls, and strings
that begin like an engine's names and stand nowhere else. A `*` in a name is what no literal says.
The columns are name, kind, labels, place and help. Exits with 1 if no table knows one of them.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from inferometer.engines.table import Engine
from inferometer.engines.tables import TABLES

KINDS = ("counter", "gauge", "histogram", "summary", "info")
SUFFIXES = {"counter": "_total", "info": "_info"}  # what prometheus_client adds
STRING = "string"  # the kind of a name that only stands in a string
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
FAMILY = re.compile(r"[a-zA-Z_*][\w:.*]*[_:.][\w:.*]*")
NO_SERVER = re.compile(r"(?:^|/)(?:tests?|testing|benchmarks?|examples?|docs?)/|/test_|/conftest")
NAME_KEYWORDS = ("name", "metric_name")
HELP_KEYWORDS = ("documentation", "description", "doc", "help", "desc", "help_text")
LABEL_KEYWORDS = ("labelnames", "labels", "label_names", "tag_keys")
SOURCE = re.compile(rb"(?i)metric|prometheus|counter|gauge|histogram|[\"'][a-z_]+:[\"']")
ROUNDS = 4  # of wrappers around wrappers
MANY = 200  # values of one expression; beyond that they are not followed


@dataclass(frozen=True)
class Declared:
    """A family as source code declares it: `name` as a page prints it, `place` as file:line."""

    name: str
    kind: str
    labels: tuple[str, ...]
    place: str
    help: str

    def line(self) -> str:
        """It in one line, its columns apart by tabs."""
        return "\t".join((self.name, self.kind, ",".join(self.labels) or "-", self.place,
                          " ".join(self.help.split()) or "-"))


@dataclass(frozen=True)
class Wrapper:
    """A function that makes a family: which of its arguments is the name, from 0 on."""

    kind: str
    index: int = 0
    labels: tuple[str, ...] = ()


Place = tuple[str, tuple[str, ...]]  # a module, and the classes and functions one is in


class Constants:
    """The strings that names stand for, over all modules of a wheel."""

    def __init__(self, modules: Mapping[str, ast.Module]) -> None:
        self._values: dict[str, list[tuple[Place, ast.expr]]] = defaultdict(list)
        self._imports: dict[tuple[str, str], str] = {}
        for module, tree in modules.items():
            self._collect_imports(module, tree)
            self._collect(module, tree)
        for module, tree in modules.items():
            self._collect_loops(module, tree)

    def strings(self, place: Place, node: ast.expr | None, depth: int = 6) -> set[str]:
        """What an expression may be, with `*` for the parts that are unknown."""
        if depth == 0:
            return {"*"}
        match node:
            case ast.Constant(value=str(text)):
                return {text}
            case ast.JoinedStr(values=parts):
                return self._joined(place, parts, depth)
            case ast.FormattedValue(value=inner) | ast.Call(
                    func=ast.Name(id="str"), args=[inner]):
                return self.strings(place, inner, depth - 1)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._joined(place, [left, right], depth)
            case ast.IfExp(body=body, orelse=orelse):
                return self.strings(place, body, depth) | self.strings(place, orelse, depth)
            case ast.Name() | ast.Attribute():
                return {text for where, value in self._meanings(place, node)
                        for text in self.strings(where, value, depth - 1)} or {"*"}
        return {"*"}

    def items(self, place: Place, node: ast.expr | None, depth: int = 4) -> list[str]:
        """The strings of a list; `*` for what is unknown."""
        match node:
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return [item for element in elements for item in self.items(place, element, depth)]
            case ast.Starred(value=inner) | ast.Call(
                    func=ast.Name(id="list" | "tuple" | "sorted"), args=[inner]):
                return self.items(place, inner, depth)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return [*self.items(place, left, depth), *self.items(place, right, depth)]
            case ast.Name() | ast.Attribute() if depth:
                for where, value in self._meanings(place, node)[:1]:
                    return self.items(where, value, depth - 1)
            case ast.Constant(value=str(text)):
                return [text]
        return [] if node is None else ["*"]

    def _joined(self, place: Place, parts: Iterable[ast.expr], depth: int) -> set[str]:
        texts = {""}
        for part in parts:
            texts = {before + text for before in texts
                     for text in self.strings(place, part, depth)}
            if len(texts) > MANY:
                return {"*"}
        return {re.sub(r"\*+", "*", text) for text in texts}

    def _meanings(self, place: Place, node: ast.expr) -> list[tuple[Place, ast.expr]]:
        """What a name was given, each with the place to read it in; the innermost scope's."""
        return next((self._values[key][:MANY] for key in self._keys(place, dotted(node))
                     if key in self._values), [])

    def _keys(self, place: Place, name: str) -> Iterator[str]:
        """The dotted names that a name in a scope may mean, the innermost first."""
        module, scopes = place
        first, _, rest = name.partition(".")
        if first in ("self", "cls") and rest:
            yield from (".".join((module, *scopes[:count], rest))
                        for count in range(len(scopes), 0, -1))
            return
        for count in range(len(scopes), -1, -1):
            yield ".".join((module, *scopes[:count], name))
        target = self._imports.get((module, first))
        if target:
            yield f"{target}.{rest}" if rest else target

    def _collect_imports(self, module: str, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                base = module.split(".")[: -node.level] if node.level else []
                source = ".".join((*base, *(node.module or "").split("."))).strip(".")
                for alias in node.names:
                    self._imports[module, alias.asname or alias.name] = f"{source}.{alias.name}"
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.asname:
                        self._imports[module, alias.asname] = alias.name

    def _collect(self, module: str, tree: ast.Module) -> None:
        for scopes, node in scoped(tree):
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        self._bind((module, scopes), target, (module, scopes), value)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    self._bind((module, scopes), target, (module, scopes), value)

    def _collect_loops(self, module: str, tree: ast.Module) -> None:
        for scopes, node in scoped(tree):
            if isinstance(node, ast.For | ast.comprehension):
                for where, element in self._elements((module, scopes), node.iter):
                    self._bind((module, scopes), node.target, where, element)

    def _elements(self, place: Place, node: ast.expr) -> list[tuple[Place, ast.expr]]:
        """What a loop over an expression goes through; pairs for a dict."""
        match node:
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                return [(place, element) for element in elements]
            case ast.Dict(keys=keys, values=values):
                return [(place, ast.Tuple([key, value], ast.Load()))
                        for key, value in zip(keys, values, strict=True) if key]
            case ast.Call(func=ast.Attribute(value=inner, attr="items")):
                return self._elements(place, inner)
            case ast.Name() | ast.Attribute():
                return [element for where, value in self._meanings(place, node)
                        if isinstance(value, ast.List | ast.Tuple | ast.Set | ast.Dict)
                        for element in self._elements(where, value)]
        return []

    def _bind(self, place: Place, target: ast.expr, where: Place, value: ast.expr) -> None:
        module, scopes = place
        match target, value:
            case ast.Name(id=name), _:
                self._values[".".join((module, *scopes, name))].append((where, value))
            case ast.Attribute(value=ast.Name(id="self"), attr=name), _:
                self._values[".".join((module, *scopes[:1], name))].append((where, value))
            case ast.Tuple(elts=names), ast.Tuple(elts=values) if len(names) == len(values):
                for part, element in zip(names, values, strict=True):
                    self._bind(place, part, where, element)


class Wheels:
    """The Python source of wheels, of which one may have the names that another uses."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.modules: dict[str, ast.Module] = {}
        self.files: dict[str, str] = {}
        for path in paths:
            self._read(path)
        self._constants = Constants(self.modules)
        self._calls = [((module, scopes), call) for module, tree in self.modules.items()
                       for scopes, node in scoped(tree)
                       if isinstance(call := entry(node), ast.Call | ast.Dict)]
        self._wrappers: dict[str, Wrapper] = {}  # by their names

    def families(self, prefixes: re.Pattern[str]) -> list[Declared]:
        """Every family, once, by its name; `prefixes` tells which strings are names."""
        for _ in range(ROUNDS):
            before = len(self._wrappers)
            for place, node in self._calls:
                self._note_wrapper(place, node)
            if len(self._wrappers) == before:
                break
        by_name: dict[str, Declared] = {}
        for place, node in self._calls:
            for declared in self._declared(place, node):
                earlier = by_name.get(declared.name)
                if earlier is None or len(declared.help) > len(earlier.help):
                    by_name[declared.name] = declared
        for declared in self._strings(prefixes):
            if not {declared.name, *(declared.name + end for end in SUFFIXES.values())} & {
                    *by_name}:
                by_name[declared.name] = declared
        return [by_name[name] for name in sorted(by_name)]

    def _read(self, path: str) -> None:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if not name.endswith(".py") or NO_SERVER.search(name):
                    continue
                source = archive.read(name)
                if SOURCE.search(source):
                    module = name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
                    self.files[module] = name
                    self.modules[module] = ast.parse(source, name)

    def _declared(self, place: Place, node: ast.Call | ast.Dict
                  ) -> Iterator[Declared]:
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if (key and isinstance(value, ast.Call) and (kind := kind_of(value))
                        and not (value.args or keyword(value, NAME_KEYWORDS))):
                    yield from self._named(place, kind, key, value)
            return
        kind = self._kind(node)
        name = argument(node, self._wrapper(node).index, NAME_KEYWORDS)
        wraps = callee(node) in self._wrappers
        if kind and name is not None:
            helped = wraps or argument(node, 1, HELP_KEYWORDS) is not None
            yield from (family for family in self._named(place, kind, name, node)
                        if helped or ":" in family.name)

    def _named(self, place: Place, kind: str, name: ast.expr, call: ast.Call) -> Iterator[Declared]:
        index = self._wrapper(call).index
        helps = self._constants.strings(place, argument(call, index + 1, HELP_KEYWORDS))
        labels = (self._constants.items(place, argument(call, index + 2, LABEL_KEYWORDS))
                  or self._wrapper(call).labels)
        for text in self._constants.strings(place, name):
            if FAMILY.fullmatch(text) and re.search("[a-z]", text):
                yield Declared(printed(text, kind), kind, tuple(dict.fromkeys(labels)),
                               f"{self.files[place[0]]}:{call.lineno}", max(helps, key=len))

    def _kind(self, call: ast.Call) -> str:
        return kind_of(call) or self._wrapper(call).kind

    def _wrapper(self, call: ast.Call) -> Wrapper:
        return self._wrappers.get(callee(call), Wrapper(""))

    def _note_wrapper(self, place: Place, node: ast.Call | ast.Dict) -> None:
        """Remember a function that hands one of its parameters on as the name of a family."""
        module, scopes = place
        if isinstance(node, ast.Dict) or not scopes or not (kind := self._kind(node)):
            return
        index = self._wrapper(node).index
        name = argument(node, index, NAME_KEYWORDS)
        if argument(node, index + 1, HELP_KEYWORDS) is None and callee(node) not in self._wrappers:
            return
        function = next((inner for outer, inner in scoped(self.modules[module])
                         if isinstance(inner, ast.FunctionDef) and inner.name == scopes[-1]
                         and (*outer, inner.name) == tuple(scopes)), None)
        if function is not None and isinstance(name, ast.Name):
            parameters = [arg.arg for arg in (*function.args.args, *function.args.kwonlyargs)
                          if arg.arg not in ("self", "cls")]
            if name.id in parameters:
                made = scopes[-2] if function.name == "__init__" else function.name
                labels = argument(node, 2, LABEL_KEYWORDS)
                self._wrappers.setdefault(made, Wrapper(
                    kind, parameters.index(name.id), tuple(self._constants.items(place, labels))))

    def _strings(self, prefixes: re.Pattern[str]) -> Iterator[Declared]:
        for module, tree in self.modules.items():
            for node in ast.walk(tree):
                if (isinstance(node, ast.Constant) and isinstance(node.value, str)
                        and prefixes.fullmatch(node.value)):
                    yield Declared(node.value, STRING, (), f"{self.files[module]}:{node.lineno}",
                                   "")


def scoped(tree: ast.AST) -> Iterator[tuple[tuple[str, ...], ast.AST]]:
    """Every node below a tree, with the names of the classes and functions it stands in."""
    waiting: list[tuple[tuple[str, ...], ast.AST]] = [((), tree)]
    while waiting:
        scopes, node = waiting.pop()
        yield scopes, node
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            scopes = (*scopes, node.name)
        waiting.extend((scopes, child) for child in reversed([*ast.iter_child_nodes(node)]))


def entry(node: ast.AST) -> ast.AST:
    """`families[name] = value` as the dict it adds to; all else as it is."""
    match node:
        case ast.Assign(targets=[ast.Subscript(slice=key)], value=ast.Call() as value):
            return ast.Dict([key], [value])
    return node


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or attribute; empty where it hangs on something else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=inner, attr=name):
            before = dotted(inner)
            return f"{before}.{name}" if before else ""
    return ""


def callee(call: ast.Call) -> str:
    """The last name of what is called."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def kind_of(call: ast.Call) -> str:
    """The kind of metric that the words of a callee's name say; empty for none."""
    name = callee(call)
    words = [word.lower() for word in WORDS.findall(name)]
    if "info" in words and name != "Info" and words[-1:] != ["cls"]:
        words.remove("info")  # loggers have it too
    if words[-2:] == ["down", "counter"]:
        return "gauge"
    return next((kind for kind in KINDS if kind in words), "")


def argument(call: ast.Call, index: int, keywords: Sequence[str]) -> ast.expr | None:
    """An argument by its position or by one of its names."""
    named = keyword(call, keywords)
    return named if named is not None or len(call.args) <= index else call.args[index]


def keyword(call: ast.Call, names: Sequence[str]) -> ast.expr | None:
    """The value of the first of these keywords that the call has."""
    return next((word.value for word in call.keywords if word.arg in names), None)


def printed(name: str, kind: str) -> str:
    """A family's name as its page has it."""
    name = name.replace(".", "_")  # OpenTelemetry's
    suffix = SUFFIXES.get(kind, "")
    return name.removesuffix(suffix) + suffix


def names_of(engines: Iterable[Engine]) -> re.Pattern[str]:
    """What the names of these engines' families look like, by prefixes that nothing else has."""
    prefixes = sorted({engine.spelling.prefix for engine in engines
                       if engine.spelling.prefix.endswith(":")})
    return re.compile(rf"(?:{'|'.join(prefixes) or r'(?!)'})[a-z][a-z0-9_]*[a-z0-9]")


def is_known(declared: Declared, engines: Iterable[Engine]) -> bool:
    """Whether one of the tables names the family; of a name with a `*`, some that fits."""
    suffixes = ("", *SUFFIXES.values()) if declared.kind == STRING else ("",)
    for engine in engines:
        for suffix in suffixes:
            name = engine.spelling.respell(declared.name + suffix)
            if name is None:
                continue
            if engine.knows(name) or ("*" in name and any(
                    fnmatchcase(other, name) for other in all_names(engine))):
                return True
    return False


def is_taken(declared: Declared, engines: Iterable[Engine]) -> bool:
    """Whether one of the tables looks for a signal in the family; one with a `*` is not asked."""
    suffixes = ("", *SUFFIXES.values()) if declared.kind == STRING else ("",)
    names = [engine.spelling.respell(declared.name + suffix)
             for engine in engines for suffix in suffixes]
    return any(engine.takes(name) for engine in engines for name in names if name is not None)


def all_names(engine: Engine) -> Iterator[str]:
    """Every name that a table has, taken or left."""
    yield from engine.taken
    yield from (engine.spelling.prefix + name for names in engine.unused.values()
                for name in names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the list; 1 if no table knows one of the families."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("wheel", nargs="+")
    parser.add_argument("--engine", choices=sorted({engine.name for engine in TABLES}),
                        help="ask this engine's tables alone, not all of them")
    options = parser.parse_args(arguments)
    engines = [engine for engine in TABLES if options.engine in (None, engine.name)]
    families = Wheels(options.wheel).families(names_of(engines))
    unknown = [family for family in families if not is_known(family, engines)]
    left = [family for family in families if family not in unknown
            and not is_taken(family, engines)]
    print(f"# {len(unknown)} of {len(families)} families are in no table, "
          f"{len(left)} are known and not used")
    for family in unknown:
        print(family.line())
    print("# in a table")
    for family in families:
        if family not in unknown:
            print(family.line())
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
