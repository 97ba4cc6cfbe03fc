"""Patterns and texts, with what Python's re.fullmatch() says of each pair.

Writes JSON, one pattern a line: [pattern, error or null, [[text, matches],
...]].  Half of the patterns are written by hand, the others made at random
from a seed.
"""

import json
import random
import re
import sys
import warnings

warnings.simplefilter('ignore')

WRITTEN = r"""
[^]] [^]]+ []a] []a]* []] [^]a]* a{,3} a{,} a{2} a{2,} a{2,3} a{} a{x} a{2 a{,x} {2} x{2}{3}
a** a*+ a++a a?+ a{1,2}+ (?>a|ab)c (?>a*)a a*? a+?b a?? a{1,2}?
\d \d+ \D \w+ \W \s+ \S [\d] [^\d] [\w-] [\w.-]+ [\W\d]+ [^\W_]+ [\s\S]* [^\s]+ [\D] [^\D]
. .* .+ (?s). (?s).* a.b
(?i)abc (?i)k (?i)s+ (?i)i (?i)[a-z]+ (?i)[^a-z] (?i)straße (?i)[é] (?a)\w+ (?a)\d (?a)\s (?ai)k (?ai)[a-z] (?i:a)b (?-i:a)b (?i)(?-i:a)b
(?i)(?s)a. a(?i)b (?m)^a$ (?m)^a$\n^b$ (?s-i:a.) (?x)a (?u)\w (?au)\w (?L)a (?:a|(?i:B))
(?P<n>a)(?P=n) (?P<n>a|b)(?P=n) (?P<1>a) (?P<n>a)(?P<n>b) (?P=n) (?P>n) (?<n>a) (a)\1 (a|b)\1 (a\1) \1 (a)(b)\2\1 (a)?\1 (?:(a)|b)\1 (a)\01 (a)\12 \0 \08 \101 \400 [\1] [\101] [\8]
a\Z a\z \Aa\Z a$ a$\n a$\s? ^a ^^a$$ a^ $a \ba\b a\Bb \B a\b a.\b (?:\ba)+ \bé\b (?a)\bé\b
\x41 \x4 \u0041 \u00e9 \U0001F600 \U00110000 \ud800 \N{BULLET} \a \f \n \r \t \v \e \q \_ \- \. \/ \é \
[a-c] [c-a] [a-] [-a] [a\-c] [\d-z] [a-\d] [\b] [\n] [\\] [[] [[:alpha:]] [a&&b] [a||b] [a--b] [é-ü] [^é] [\x41-\x43] [ [] [^] [a [\
(a (a)) ) ( () (?:) ()* (?:)* (?:a|b)* (a|)+ (|a)* ((a)*)* (?:a?)* * + ? | a| |a a||b (?=a)a (?=a)* (?!a)b (?!a)* (?<=a)b a(?<=a)b (?<!a)b (?<=a*)b (?<=a|bc)d (?<=[ab])c
(?#comment)a a(?#comment)* (?#open (?( (?(1)a|b) (a)?(?(1)b|c) (?P<x>a)?(?(x)b|c) (? (?a (?-a) (?i-i:a) (?i- (?ia (?aa)a (?:a (?P (?P< (?P<a (?=
avms|avm x[0-9]+ web-[0-9]+ restricted-app dev ^(dev|test)$ [A-Za-z0-9._-]{1,64} (?i)^prod(uction)?$ \w+@\w+\.com [^/]+/[^/]+ .*\.csv [+-]?\d+ (\d{1,3}\.){3}\d{1,3} \d{4}-\d\d-\d\d
""".split()

TEXTS = ['', 'a', 'b', 'ab', 'aa', 'aaa', 'aaaa', 'ba', 'abc', 'ABC', 'c', 'ac', 'aac', 'A', 'B', 'Ab', 'aB', 'a\n', '\n', 'a\nb', 'a\r', '\r',
         '\u2028', ']', '[', 'a]', '^', '-', '\\', '{', '}', 'a{}', 'a{x}', 'a{2', 'a{,x}', '{2}', '0', '7', '17', '\u0661', '\u0967', '²', '½', '_', 'é',
         'É', 'ü', 'ß', 'straße', 'STRASSE', 'k', 'K', '\u212a', 's', 'S', 'ſ', 'i', 'I', 'İ', 'ı', ' ', '\t', '\x1c', '\x85', '\xa0', '\ufeff',
         '\u3000', '\x0b', '漢', '😀', 'A1', '.', 'a.b', 'a-b', 'aéb', ':', 'l', '[:alpha:]', 'l]', ':]', '&', '|', '\x08', '\x01', 'S@a.com', 'web-1', 'web-',
         'x17', 'avm', 'avms', 'avmsx', 'dev', 'prod', 'Production', 'PROD', '10.0.0.1', '2024-01-01', '-5', 'a/b', 'x.csv', 'restricted-app', 'aaaab', 'bd', 'ad', 'bcd']

ATOMS = ['a', 'b', 'é', '.', r'\d', r'\w', r'\s', r'\W', r'\S', '[ab]', '[^a]', '[]a]', '[^]b]', r'[\w]', r'[\W\d]', '[a-c]', r'\.', 'k', '_', '0', r'\n',
         r'\b', r'\B', '^', '$', r'\Z', r'\A', r'[^\S]', r'[\s-]', 'A', ' ', r'\x61', '漢']
QUANTIFIERS = ['', '', '', '', '*', '+', '?', '{2}', '{,2}', '{1,2}', '*?', '+?', '??', '*+', '?+', '{,}', '{1,}?']
OPENINGS = ['(', '(?:', '(?i:', '(?s:', '(?=', '(?!', '(?<=', '(?<!', '(?>', '(?m:', '(?a:']


def make(generator, depth):
    """A pattern, most often a valid one."""
    parts = []
    for _ in range(generator.randint(1, 3)):
        choice = generator.random()
        quantifier = generator.choice(QUANTIFIERS)
        if choice < 0.25 and depth > 0:
            opening = generator.choice(OPENINGS)
            part = opening + make(generator, depth - 1) + ')'
            # Python 3.11 finds "a" in (?:[ab]*?c)?+
            if quantifier in ('*+', '?+'):
                quantifier = ''
        else:
            part = generator.choice(ATOMS)
        parts.append(part + quantifier)
    if generator.random() < 0.2:
        parts.insert(generator.randint(0, len(parts)), '|')
    return ''.join(parts)


def main():
    generator = random.Random(int(sys.argv[1]))
    patterns = list(dict.fromkeys(WRITTEN + [r'a b', r'[ -~]+']))
    for _ in range(int(sys.argv[2])):
        flags = generator.choice(['', '', '', '(?i)', '(?s)', '(?m)', '(?a)'])
        patterns.append(flags + make(generator, 2))
    for pattern in patterns:
        error = None
        results = []
        try:
            compiled = re.compile(pattern)
            results = [[text, compiled.fullmatch(text) is not None]
                       for text in TEXTS]
        except (re.error, ValueError, OverflowError) as exception:
            error = str(exception)
        print(json.dumps([pattern, error, results]))


main()
