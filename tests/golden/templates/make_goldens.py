#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make_goldens.py - what jinja2, set up as Hugging Face's apply_chat_template does it, renders.

  make_goldens.py              rewrite the third column of cases.tsv
  make_goldens.py --check      compare it instead; exit status 1 when it differs
  make_goldens.py --real DIR.. [--list]  rewrite real.tsv from the *.jinja and tokenizer configs in these folders
  make_goldens.py --fuzz SECONDS test_template [SEED]
                               random templates through jinja2 and through `test_template --render`

Needs jinja2 3.1 (python3-jinja2). cases.tsv: template, variables (JSON), text; \\n \\r \\t \\\\ stand for these four in the first and third. A
text of "!" alone is an error. A fourth column says why ours differs from jinja2: then the third is ours, and kept.
"""
import datetime
import json
import random
import subprocess
import sys
import time
import warnings
from pathlib import Path

import jinja2
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = Path(__file__).parent
NOW = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.timezone.utc)  # 1700000000


class Generation(Extension):
    """{% generation %} marks what an assistant said, for training; here it only stands around it."""
    tags = {'generation'}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(['name:endgeneration'], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method('_body'), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, 'jinja2.ext.loopcontrols'])

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)
    env.filters['tojson'] = tojson
    env.globals['raise_exception'] = raise_exception
    env.globals['strftime_now'] = NOW.strftime
    return env


ENV = environment()


def render(template, variables):
    """The text, or None for an error of any kind."""
    try:
        return ENV.from_string(template).render(**json.loads(json.dumps(variables)))
    except Exception:  # whatever Python says of it
        return None


def escape(text):
    for c, to in (('\\', '\\\\'), ('\n', '\\n'), ('\r', '\\r'), ('\t', '\\t')):
        text = text.replace(c, to)
    return text


def unescape(text):
    out, i = [], 0
    while i < len(text):
        if text[i] == '\\':
            out.append({'\\': '\\', 'n': '\n', 'r': '\r', 't': '\t'}[text[i + 1]])
            i += 1
        else:
            out.append(text[i])
        i += 1
    return ''.join(out)


def expected(template, variables):
    text = render(template, variables)
    return '!' if text is None else escape(text)


# ------------------------------------------------------------------------------------------------- the table --

def table(check):
    path, lines, wrong = HERE / 'cases.tsv', [], 0
    for number, line in enumerate(path.read_text(encoding='utf-8').split('\n'), 1):
        columns = line.split('\t')
        if line and not line.startswith('#') and not (len(columns) > 3 and columns[3]):
            template, variables = columns[0], columns[1] if len(columns) > 1 else ''
            text = expected(unescape(template), json.loads(variables or '{}'))
            if check and text != columns[2]:
                wrong += 1
                print(f'{path.name}:{number}: jinja2 renders {text!r}, the table says {columns[2]!r}')
            line = '\t'.join((template, variables, text))
        elif len(columns) > 3:
            text = expected(unescape(columns[0]), json.loads(columns[1] or '{}'))
            if text == columns[2]:
                wrong += 1
                print(f'{path.name}:{number}: no difference to jinja2, though the fourth column says so')
        lines.append(line)
    if not check:
        path.write_text('\n'.join(lines), encoding='utf-8')
    return wrong


# -------------------------------------------------------------------------------------------- real templates --

def fnv(data):
    """FNV-1a, 64 bits."""
    h = 0xcbf29ce484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return f'{h:016x}'


def sources(folders):
    """Name and text of each template; those of configs are their member chat_template."""
    found = {}
    for folder in map(Path, folders):
        for path in sorted(folder.glob('*.jinja')):
            found[path.name] = path.read_bytes()
        for path in sorted(folder.glob('*config.json')):
            found[path.name] = json.loads(path.read_text(encoding='utf-8'))['chat_template'].encode()
    return sorted({fnv(text): (name, text) for name, text in reversed(found.items())}.items(), key=lambda x: x[1][0])


def real(folders):
    path = HERE / 'real.tsv'
    kept = {}  # (template, conversation): why ours differs
    name = None
    for line in path.read_text(encoding='utf-8').split('\n') if path.exists() else []:
        columns = line.split('\t')
        if line and not line.startswith(('#', '\t')):
            name = columns[1]
        elif len(columns) > 4:
            kept[name, columns[1]] = columns[4]
    conversations = json.loads((HERE / 'conversations.json').read_text(encoding='utf-8'))
    out = ['# Of each template: FNV-1a of its text, its name. Of each conversation: its name, bytes and FNV-1a of what',
           '# jinja2 renders, or an error; and why ours differs, where it does. Written by make_goldens.py --real.']
    for digest, (name, source) in sources(folders):
        out.append(f'{digest}\t{name}')
        for case, variables in conversations.items():
            text = render(source.decode(), variables)
            result = 'error\t-' if text is None else f'{len(text.encode())}\t{fnv(text.encode())}'
            why = kept.get((name, case))
            out.append(f'\t{case}\t{result}' + (f'\t{why}' if why else ''))
    path.write_text('\n'.join(out) + '\n', encoding='utf-8')
    return 0


# --------------------------------------------------------------------------------------------- random programs --

NAMES = ['a', 'b', 's', 't', 'l', 'm', 'd', 'n', 'u', 'x']
TEXTS = ["''", "'a'", "' b c '", "'Äß x'", "'a,b,,c'", "'aXbX'", "'1'", "'-2.5'", "'two words'", "'\\n x\\n\\ny'", "'%s'",
         "'HeLLo wORLD'", "'日本'", "'it\\'s'"]
NUMBERS = ['0', '1', '2', '-1', '3', '7', '1.5', '0.1', '-2.25', '10', '1e20', '100']
VARIABLES = {'a': 1, 'b': [3, 1, 2], 's': 'some Text', 't': True, 'l': ['x', 'Y', 'z', 'x'], 'n': None, 'x': 2.5,
             'm': {'k': 'v', 'a': 1, 'B': [1]}, 'd': [{'r': 'u', 'c': 'hi', 'i': 2}, {'r': 'a', 'c': '', 'i': 1}, {'r': 'u'}]}
FILTERS = ['upper', 'lower', 'trim', 'title', 'capitalize', 'length', 'count', 'first', 'last', 'list', 'string', 'int',
           'float', 'abs', 'sort', 'unique|list', 'reverse|list', 'join', "join(', ')", 'tojson', 'tojson(indent=2)',
           'default(1)', "default('x', true)", 'sum', 'min', 'max', 'items|list', 'dictsort', 'round', 'round(1)',
           "replace('a', 'b')", "replace('x', 'yy', 1)", 'batch(2)|list', "map('upper')|list", 'indent', 'indent(2, true)',
           "map(attribute='r')|list", "selectattr('r', 'equalto', 'u')|list", "rejectattr('c')|list",
           "selectattr('i', 'defined')|list", "select('string')|list", "reject('odd')|list", 'select|list',
           "map(attribute='c', default='?')|list", 'sort(reverse=true)', "sort(attribute='c')", "d(0)", "join('-', 'r')",
           "trim('a')", "map('length')|list", "dictsort(false, 'value')", "map('int')|list", "map('string')|list",
           "round(1, 'floor')", "round(0, 'ceil')", "format(1)", "int(5)", "float(1.5)", "tojson(sort_keys=true)"]
METHODS = ['upper()', 'lower()', 'strip()', 'lstrip()', 'rstrip()', "split()", "split(',')", "split('X', 1)", 'title()',
           "startswith('a')", "endswith('c')", "replace('a', 'Q')", "find('b')", "rfind('X')", "count('a')", 'capitalize()',
           'splitlines()', "partition(',')", "rpartition(',')", "rsplit(',', 1)", "join(['p', 'q'])", 'isdigit()',
           'isalpha()', 'isspace()', 'isalnum()', 'isupper()', 'islower()', "strip('a ')", 'items()', 'keys()', 'values()',
           "get('k')", "get('zz', 3)", "index('a')", "lstrip(' a')", "removeprefix('a')",
           "removesuffix('c')", "format(1)", 'items()|list', "isnumeric()", ]
TESTS = ['defined', 'undefined', 'none', 'string', 'number', 'integer', 'float', 'boolean', 'mapping', 'sequence',
         'iterable', 'true', 'false', 'odd', 'even', 'divisibleby 3', 'eq 1', "in [1, 'a']", 'gt 1', 'lower', 'upper',
         'callable', 'ne 2', "equalto 'a'", 'lt 5', 'ge 2', 'le 1']


class Grammar:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def one(self, choices):
        return self.r.choice(choices)

    def expr(self, depth):
        r = self.r.random()
        if depth <= 0 or r < 0.12:
            return self.one([lambda: self.one(NAMES), lambda: self.one(TEXTS), lambda: self.one(NUMBERS),
                             lambda: self.one(['true', 'none', 'false', '[]', '{}', '()', 'range(3)|list', '[1, 2]',
                                               "('a',)", "{'a': 1}"])])()
        sub = lambda: self.expr(depth - 1)
        return self.one([
            lambda: f'{sub()} {self.one(["+", "-", "*", "/", "//", "%", "~", "**"])} {sub()}',
            lambda: f'({sub()} {self.one(["+", "-", "*", "~"])} {sub()})',
            lambda: f'({sub()})|{self.one(FILTERS)}', lambda: f'{self.one(NAMES)}|{self.one(FILTERS)}',
            lambda: f'({sub()})|{self.one(FILTERS)}', lambda: f'({sub()}).{self.one(METHODS)}',
            lambda: f'{self.one(TEXTS)}.{self.one(METHODS)}', lambda: f'{self.one(NAMES)}.{self.one(METHODS)}',
            lambda: f'({sub()}) is {self.one(["", "not "])}{self.one(TESTS)}',
            lambda: f'{sub()} {self.one(["==", "!=", "<", ">", "<=", ">=", "in", "not in"])} {sub()}',
            lambda: f'{sub()} {self.one(["and", "or"])} {sub()}', lambda: f'not {sub()}', lambda: f'-{sub()}',
            lambda: f'({sub()} if {sub()} else {sub()})', lambda: f'({sub()} if {sub()})',
            lambda: f'[{sub()}, {sub()}]', lambda: f"{{'k': {sub()}, 2: {sub()}}}", lambda: f'({sub()})[{self.cut()}]',
            lambda: f'({sub()})[{sub()}]', lambda: f'({sub()}).{self.one(["k", "r", "items", "zz"])}',
            lambda: f'({sub()}, {sub()})',
        ])()

    def cut(self):
        part = lambda: self.one(['', '', '1', '-1', '2', '-2', '0', '9'])
        return f'{part()}:{part()}' + self.one(['', ':-1', ':2', ':'])

    def tag(self, inside):
        return '{%' + self.one(['', '', '-', '+']) + ' ' + inside + ' ' + self.one(['', '', '-', '+']) + '%}'

    def body(self, depth):
        return ''.join(self.statement(depth) for _ in range(self.r.randint(1, 3)))

    def gap(self):
        return self.one(['', ' ', '\n', ' \n', '\n  ', 'x', ' y\n', '\n\n', ' z '])

    def statement(self, depth):
        gap = self.gap
        if depth <= 0:
            return gap() + '{{' + self.one(['', '', '-']) + ' ' + self.expr(2) + ' ' + self.one(['', '', '-']) + '}}' + gap()
        inner = lambda: gap() + self.body(depth - 1) + gap()
        name = lambda: self.one(['a', 'b', 's', 'q'])
        return gap() + self.one([
            lambda: self.tag(f'if {self.expr(2)}') + inner() + self.tag('endif'),
            lambda: self.tag(f'if {self.expr(1)}') + inner() + self.tag(f'elif {self.expr(1)}') + inner() +
            self.tag('else') + inner() + self.tag('endif'),
            lambda: self.tag(f'for {self.one(["i", "i", "i, j", "s"])} in {self.expr(2)}' +
                             self.one(['', '', f' if {self.expr(1)}'])) + '{{ i }}' + inner() +
            self.one(['', '{{ loop.index }}', '{{ loop.last }}{{ loop.revindex0 }}', '{% if loop.index > 1 %}{% break %}{% endif %}',
                      "{{ loop.cycle('a', 'b') }}", '{{ loop.previtem }}|{{ loop.nextitem }}', '{{ loop.changed(i) }}',
                      '{% if loop.first %}{% continue %}{% endif %}.']) +
            self.one(['', self.tag('else') + inner()]) + self.tag('endfor'),
            lambda: self.tag(f'set {name()} = {self.expr(2)}'), lambda: self.tag(f'set {name()}, q = {self.expr(2)}'),
            lambda: self.tag(f'set {name()}') + inner() + self.tag('endset'),
            lambda: self.tag(f'set {name()} | {self.one(FILTERS)}') + inner() + self.tag('endset'),
            lambda: self.tag(f'macro f(p, q={self.expr(1)})') + inner() + '{{ p }}{{ q }}' + self.tag('endmacro') +
            '{{ f(' + self.one(['', '1', 'q=2', "'x', 'y'", 'p=s']) + ') }}',
            lambda: self.tag(f'with q = {self.expr(1)}') + inner() + '{{ q }}' + self.tag('endwith'),
            lambda: self.tag(f'filter {self.one(FILTERS)}') + inner() + self.tag('endfilter'),
            lambda: '{#' + self.one(['', '-', '+']) + ' c ' + self.one(['', '-', '+']) + '#}' + inner(),
            lambda: '{% raw %}' + gap() + '{{ r }}' + gap() + self.tag('endraw'),
            lambda: '{% set ns = namespace(v=1) %}{% for i in b %}{% set ns.v = ns.v + i %}{% endfor %}{{ ns.v }}',
            lambda: self.tag('generation') + inner() + self.tag('endgeneration'),
            lambda: self.statement(0), lambda: self.statement(0),
        ])()


def fuzz(seconds, program, seed):
    """Batches of random templates; prints those where the two disagree. Errors of both count as agreement."""
    warnings.simplefilter('ignore')
    end, n, n_rendered, lenient, wrong = time.time() + seconds, 0, 0, 0, 0
    variables = json.dumps(VARIABLES)
    while time.time() < end:
        templates = []
        for _ in range(500):
            g = Grammar(seed)
            seed += 1
            templates.append(g.statement(g.one([0, 0, 0, 1, 2])))
        text = ''.join(f'{escape(t)}\t{variables}\n' for t in templates)
        got = subprocess.run([program, '--render'], input=text.encode(), capture_output=True, check=True).stdout
        for t, ours in zip(templates, got.decode('utf-8', 'replace').split('\n')):
            theirs = expected(t, VARIABLES)
            n, n_rendered = n + 1, n_rendered + (theirs != '!')
            if ours == theirs or theirs == '!' or ' at 0x' in theirs or 'dict_' in theirs or 'cannot be sliced' in ours:
                lenient += theirs == '!' and ours[:1] != '!'
                continue
            wrong += 1
            print(f'{escape(t)}\n    jinja2 {theirs!r}\n    ours   {ours!r}')
    print(f'{n} templates, {n_rendered} of which jinja2 renders; {wrong} differ, {lenient} are refused by jinja2 alone')
    return wrong


def main(args):
    if args[:1] == ['--fuzz']:
        return fuzz(float(args[1]), args[2], int(args[3]) if len(args) > 3 else 0)
    if args[:1] == ['--real']:
        return real(args[1:])
    return table(args == ['--check'])


if __name__ == '__main__':
    sys.exit(1 if main(sys.argv[1:]) else 0)
