#!/usr/bin/env python3
"""house_rules.py PROJECT_ROOT: the house's rules, checked: include floors, file sizes, forbidden names, what stands at the top. (One process: it was
some ten for each file, which takes minutes where a fork is dear.)"""
import os
import re
import sys

# Floors from the bottom up. A file includes only from its own floor or lower ones. intercept and libpmemfile do not
# know each other.
ENGINE = "format persist pool runtime journal space file names fs mapping check api".split()
TOPS = "base intercept libpmemfile posix-shim tools tests bench".split()
MAY_INCLUDE = {
    "base": {"base"},
    "intercept": {"base", "intercept"},
    "libpmemfile": {"base", "libpmemfile"},
    "posix-shim": set(TOPS),
    "tools": {"tools", "base", "libpmemfile", "intercept"},
    "tests": set(TOPS),
    "bench": set(TOPS),
}
ALLOWED_INCLUDES = set()  # (file, included), each with its reason
ALLOWED_SIZES = set()  # files, each with its reason
LINES_MAX = 500
TOP_FILES = set(".clang-format .clang-tidy .git .gitignore CHANGELOG.md CONTRIBUTING.md LICENSE README.md meson.build meson_options.txt".split())

INCLUDE = re.compile(r'^#include "([a-z-]*/[^"]*)"')
EMPTY_NAME = re.compile(r"(^|[_/.-])(utils?|common|helpers?|managers?)([_.-]|$)", re.IGNORECASE)
EMPTY_TYPE = re.compile(r"\b(class|struct|namespace|enum class|enum) +[A-Za-z_]*(Util|Helper|Manager|Common|util|helper|manager|common)")
# The engine must not throw, allocate or print on the way of a hook.
ON_THE_WAY = {"persist", "runtime", "journal", "space", "file", "names", "fs"}
NOT_ON_THE_WAY = re.compile(
    r"\b(throw|malloc|calloc|printf|fprintf|std::cout|std::cerr|std::string|std::vector|std::mutex)\b")
IN_A_COMMENT = re.compile(r"^ *//|//.*\b(throw|malloc|printf)")

problems = 0


def complain(what):
    global problems
    problems += 1
    print(what)


def floor_of(path):
    part = path.split("/")[1]
    return ENGINE.index(part) if part in ENGINE else len(ENGINE)


def check_include(file, included):
    top, target = file.split("/")[0], included.split("/")[0]
    if target not in TOPS:
        return
    if target not in MAY_INCLUDE[top]:
        complain(f"{file} includes {included}: {top} may not use {target}")
    elif (top == target == "libpmemfile" and included.split("/")[1] != "include" and floor_of(included) > floor_of(file)
          and (file, included) not in ALLOWED_INCLUDES):
        complain(f"{file} includes {included}, which is a higher floor")
    if not os.path.isfile(included):
        complain(f"{file} includes {included}, which is not there")


def check(file):
    with open(file, encoding="utf-8") as text:
        lines = text.read().splitlines()
    for number, line in enumerate(lines, 1):
        if found := INCLUDE.match(line):
            check_include(file, found[1])
        if line.startswith('#include "../'):
            complain(f"{file}: relative include: {number}:{line}")
        if EMPTY_TYPE.search(line):
            complain(f"{file}: a name that says nothing: {number}:{line}")
    if file.endswith(".h") and not any(line.startswith(("#pragma once", "#ifndef")) for line in lines):
        complain(f"{file} has no #pragma once")  # a C header for users may use the classic guard
    if len(lines) > LINES_MAX and file not in ALLOWED_SIZES:
        complain(f"{file} has {len(lines)} lines; {LINES_MAX} is the most")
    if EMPTY_NAME.search(os.path.basename(file)):
        complain(f"{file}: a name that says nothing")
    parts = file.split("/")
    if parts[0] == "libpmemfile" and parts[1] in ON_THE_WAY and file.endswith(".cpp") and file != "libpmemfile/fs/mkfs.cpp":
        for number, line in enumerate(lines, 1):
            if NOT_ON_THE_WAY.search(line) and not IN_A_COMMENT.search(line):
                complain(f"not allowed on the way of a hook: {file}:{number}:{line}")


def main():
    os.chdir(sys.argv[1])
    sources = sorted(os.path.join(directory, name) for top in TOPS for directory, _, names in os.walk(top) for name in names
                     if name.endswith((".h", ".cpp", ".c", ".S")))
    if len(sources) <= 20:
        complain(f"only {len(sources)} source files found: is {sys.argv[1]} the project?")
    for file in sources:
        check(file)
    for name in os.listdir("."):
        if os.path.isfile(name) and name not in TOP_FILES:
            complain(f"{name}: what has this file to do at the top?")
    print(f"{problems} problems in {len(sources)} files")
    sys.exit(1 if problems else 0)


main()
