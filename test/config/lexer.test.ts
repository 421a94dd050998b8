// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the language under test has these
import t from 'tap';
import { linesOf, MAX_LINE_BYTES, MAX_WORDS, pointAt, tokenizeLine } from '../../lib/config/lexer.js';

const ENVIRONMENT = new Map([
	['A', 'one'],
	['B', 'x y  z'],
	['EMPTY', ''],
	['QUOTED', 'a"b # c\\n'],
]);

const tokenize = (line: string) => tokenizeLine(line, ENVIRONMENT, { file: 'f.cfg', line: 7, section: 'web' });

// Every row was compared with what HAProxy 2.6 makes of the line.
const WORDS: readonly (readonly [line: string, words: readonly string[], what: string])[] = [
	['', [], 'nothing'],
	[' \t ', [], 'only blanks'],
	['# only a comment', [], 'a comment'],
	['  bind  :80\t name x ', ['bind', ':80', 'name', 'x'], 'blanks and tabs'],
	['maxconn 10\r', ['maxconn', '10'], 'a line that ends in CR LF'],
	['a\vb\fc', ['a', 'b', 'c'], 'vertical tab and form feed'],
	['global#comment', ['global'], 'a comment needs no blank before it'],
	['a\\#b', ['a#b'], 'an escaped hash'],
	['a\\ b', ['a b'], 'an escaped blank'],
	['a\\\\b', ['a\\b'], 'an escaped backslash'],
	['\\"a\\\'', ['"a\''], 'escaped quotes'],
	['a\\nb\\rc\\td', ['a\nb\rc\td'], 'control characters by letter'],
	['\\x41\\x7a\\xFF', ['Az\xff'], 'characters by number'],
	['a\\qb', ['a\\qb'], 'a backslash before a letter without a meaning stays'],
	['maxconn \\', ['maxconn', '\\'], 'no continuation: a backslash at the end stays'],
	['"a b" c', ['a b', 'c'], 'weak quotes keep blanks'],
	['"a # b"', ['a # b'], 'weak quotes keep hashes'],
	[`"it's"`, ["it's"], 'a strong quote in weak quotes'],
	['"a\\ b\\#c\\\'d\\\\e\\"f\\x41"', ['a b#c\'d\\e"fA'], 'escapes in weak quotes'],
	[`'a "b" \\n $A #'`, ['a "b" \\n $A #'], 'strong quotes keep everything'],
	[`pre"mid"'post'`, ['premidpost'], 'quoted parts join to one word'],
	[`"" ''`, ['', ''], 'empty quotes are words'],
	['$A ${A}', ['$A', '${A}'], 'no variables outside of weak quotes'],
	['"$A" "${A}"', ['one', 'one'], 'variables'],
	['"$A-b"', ['one-b'], 'a name ends at the first other character'],
	['"\\$A"', ['$A'], 'an escaped dollar'],
	['\\$A', ['\\$A'], 'outside of weak quotes there is nothing to escape'],
	['"$NONE" "${NONE}"', ['', ''], 'an absent variable is empty'],
	['"${NONE-a b}" "${EMPTY-x}"', ['a b', ''], 'a default replaces absent variables, not empty ones'],
	['"${NONE-}"', [''], 'an empty default'],
	['"${NONE-${A}"', ['${A'], 'a default is taken as it is'],
	['"$QUOTED"', ['a"b # c\\n'], 'what comes out of a variable is data'],
	['"${B[*]}"', ['x', 'y', 'z'], 'an array'],
	['"a${B[*]}b" c', ['ax', 'y', 'zb', 'c'], 'an array inside a word'],
	['"${EMPTY[*]}" q', ['', 'q'], 'an empty array is one empty word'],
	['"${NONE[*]-u v}"', ['u', 'v'], 'the default of an array'],
	['"${B}"', ['x y  z'], 'without [*] it stays one word'],
	['"${.FILE}:${.LINE} $.SECTION"', ['f.cfg:7 web'], 'pseudo-variables'],
	['caf\xc3\xa9', ['caf\xc3\xa9'], 'bytes over 127'],
];

t.test('words', async (t) => {
	for (const [line, words, what] of WORDS) {
		const result = tokenize(line);
		t.same(result.ok ? result.words : result, words, `${what}: ${line}`);
	}
});

const REFUSED: readonly (readonly [line: string, reason: RegExp, position: number])[] = [
	[' "bogus', /unmatched quote/, 2],
	[" 'bogus", /unmatched quote/, 2],
	[' b\\x41gus \\xzz', /hexadecimal/, 11],
	[' b\\x4', /hexadecimal/, 3],
	[' description "${A', /unmatched brace/, 16],
	[' description "${A+x}"', /unmatched brace/, 16],
	[' description "${1A}"', /forbidden first char/, 17],
	[' description "$1A"', /forbidden first char/, 16],
	[' bogus "$" q', /forbidden first char/, 10],
	[' bogus "${B[1]}" q', /word expansion/, 12],
	[' bogus "${.NOP} "', /pseudo-variable/, 11],
	['a\x01b', /control character \\x01/, 2],
	["'a\x1bb'", /control character \\x1b/, 3],
	['"a\x7fb"', /control character \\x7f/, 3],
	['a\\x00b', /NUL/, 2],
];

t.test('refused lines, with the position HAProxy shows', async (t) => {
	for (const [line, reason, position] of REFUSED) {
		const result = tokenize(line);
		if (result.ok) t.fail(`${JSON.stringify(line)} is refused`);
		else {
			t.match(result.reason, reason, JSON.stringify(line));
			t.equal(result.column + 1, position, `${JSON.stringify(line)}: position`);
		}
	}
});

t.test('each word knows where it begins', async (t) => {
	const result = tokenize(' a  "b c"d\t\\ e');
	t.same(result.ok && result.columns, [1, 4, 11]);
});

t.test('limits', async (t) => {
	const words = (count: number): string => Array.from({ length: count }, (_, i) => `w${i}`).join(' ');
	t.ok(tokenize(words(MAX_WORDS)).ok, 'as many words as permitted');
	const tooMany = tokenize(words(MAX_WORDS + 1));
	t.notOk(tooMany.ok, 'one word more');
	t.ok(tokenize('x'.repeat(MAX_LINE_BYTES)).ok, 'as long as permitted');
	t.notOk(tokenize('x'.repeat(MAX_LINE_BYTES + 1)).ok, 'one byte longer');
	const expansion = new Map([['MANY', words(200)]]);
	t.notOk(tokenizeLine('"${MANY[*]}"', expansion, { file: '', line: 1, section: '' }).ok, 'words out of a variable');
});

t.test('lines of a file', async (t) => {
	const lines = [...linesOf('f', 'a\n\nb\r\nlast')];
	t.same(
		lines.map((line) => [line.place.line, line.text, line.terminated]),
		[
			[1, 'a', true],
			[2, '', true],
			[3, 'b\r', true],
			[4, 'last', false],
		],
	);
	t.same([...linesOf('f', '')], [], 'an empty file has no line');
});

t.test('a caret under the place', async (t) => {
	t.equal(pointAt('unmatched quote', ' bogus "x', 7), 'unmatched quote at position 8:\n   bogus "x\n         ^');
	const long = pointAt('r', 'x'.repeat(500), 400);
	t.ok(long.length < 250, 'of a long line only the part around it is shown');
	t.notMatch(pointAt('r', 'a\x1b[31mb', 1), /\x1b/, 'control characters do not reach the terminal');
});
