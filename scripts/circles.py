#!/usr/bin/env python3
"""Circles of imports: between modules of a crate, and between the files of a module. Prints each, and exits with 1 if there is one.

    scripts/circles.py [CRATE ..]          default: . and every crate in crates/

An import is a `use` of `crate::`, `self::` or `super::` outside of tests. A file depends on the file where an item is declared, also
where a module between them exports it again; a file that only declares and exports modules takes part in no circle.
"""
import pathlib, re, sys

USE = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?use\s+((?:crate|self|super)\b.*?);", re.M | re.S)
ITEM = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:unsafe\s+|async\s+|const\s+)*(?:fn|struct|enum|trait|type|const|static|union|macro_rules!)\s+(\w+)", re.M)


def paths(tree):
    """The paths of a use tree, without aliases: `a::{b, c::d}` has two."""
    tree = re.sub(r"\s+as\s+\w+", "", " ".join(tree.split()))
    at = tree.find("{")
    if at < 0:
        return [tree.strip()]
    head, depth, parts, part = tree[:at], 0, [], ""
    for c in tree[at + 1:tree.rindex("}")]:
        depth += {"{": 1, "}": -1}.get(c, 0)
        if c == "," and not depth:
            parts.append(part)
            part = ""
        else:
            part += c
    return [head.strip() + path for part in parts + [part] if part.strip() for path in paths(part.strip())]


def code(text):
    """The text without tests, comments and strings, in which braces and words mean nothing."""
    text = re.sub(r'r?"(?:\\.|[^"\\])*"|//[^\n]*', "", text)
    at = text.find("#[cfg(test)]")
    while at >= 0:
        end = re.compile(r"[{;]").search(text, at).start()
        if text[end] == "{":
            depth = 0
            for end in range(end, len(text)):
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                if not depth:
                    break
        text = text[:at] + text[end + 1:]
        at = text.find("#[cfg(test)]")
    return text


class Crate:
    def __init__(self, root):
        self.files = {}
        for path in sorted((root / "src").rglob("*.rs")):
            parts = path.relative_to(root / "src").with_suffix("").parts
            if parts[-1] in ("lib", "main", "mod"):
                parts = parts[:-1] + (() if parts[-1] == "mod" else (parts[-1],) if parts[-1] == "main" else ())
            if "tests" not in parts and "cli" not in parts[:1] and parts != ("main",):
                self.files[parts] = code(path.read_text())
        self.items = {module: set(ITEM.findall(text)) for module, text in self.files.items()}
        self.uses = {module: [p for tree in USE.findall(text) for p in paths(tree)] for module, text in self.files.items()}

    def absolute(self, module, path):
        """The path from the root of the crate."""
        names = path.split("::")
        at = list(module)
        if names[0] == "crate":
            return tuple(names[1:])
        while names and names[0] in ("self", "super"):
            if names.pop(0) == "super":
                at.pop()
        return tuple(at) + tuple(names)

    def declares(self, path, seen=()):
        """The modules whose file declares what `path` names."""
        for size in range(len(path), -1, -1):
            module = path[:size]
            if module not in self.files:
                continue
            if size == len(path):
                return {module}
            name = path[size]
            if name == "*" or name in self.items[module] or (module, name) in seen:
                return {module}
            for use in self.uses[module]:
                exported = self.absolute(module, use)
                if exported[-1:] == (name,) or exported[-1:] == ("*",):
                    found = self.declares(exported[:-1] + (name,), seen + ((module, name),))
                    if found:
                        return found
            # A path without crate or self, as `pub use child::Item`.
            for child in re.findall(r"pub(?:\([^)]*\))?\s+use\s+([a-z_]\w*::[^;]+);", self.files[module]):
                for use in paths(child):
                    if use.split("::")[-1] == name and module + (use.split("::")[0],) in self.files:
                        return self.declares(module + tuple(use.split("::")), seen + ((module, name),))
            return {module}
        return set()

    def edges(self):
        for module, uses in self.uses.items():
            for use in uses:
                for other in self.declares(self.absolute(module, use)):
                    if other != module:
                        yield module, other


def circles(edges):
    """The strongly connected parts with more than one node (Tarjan)."""
    graph = {}
    for a, b in edges:
        graph.setdefault(a, set()).add(b)
        graph.setdefault(b, set())
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = []
            while True:
                part.append(stack.pop())
                if part[-1] == node:
                    break
            if len(part) > 1:
                found.append(sorted(part))

    sys.setrecursionlimit(10_000)
    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found), graph


count = 0
roots = [pathlib.Path(p) for p in sys.argv[1:]] or [pathlib.Path("."), *sorted(pathlib.Path("crates").glob("*"))]
for root in roots:
    edges = list(Crate(root).edges())
    between = [(a[:1], b[:1]) for a, b in edges if a and b and a[:1] != b[:1]]
    within = [(a, b) for a, b in edges if a and b and a[:1] == b[:1]]
    for what, some in (("modules", between), ("files", within)):
        parts, graph = circles(some)
        count += len(parts)
        for part in parts:
            names = ["::".join(node) for node in part]
            print(f"{root}: {len(part)} {what}: {', '.join(names)}")
            for node in part:
                for other in sorted(graph[node] & set(part)):
                    print(f"    {'::'.join(node)} -> {'::'.join(other)}")
print(f"{count} circles")
raise SystemExit(1 if count else 0)
