/** Regular expressions: Perl's syntax, the same answer from both engines, and no text that stalls the process. */
import fc from 'fast-check';
import { RE2JS } from 're2js';
import t from 'tap';
import { compileRegex, expandReferences, type Regex } from '../../lib/sample/regex.js';
import { translateRegex } from '../../lib/sample/regex-syntax.js';

function regex(source: string, ignoreCase = false): Regex {
	const compiled = compileRegex(source, { ignoreCase });
	if (typeof compiled === 'string') throw new Error(compiled);
	return compiled;
}

const MATCHES: readonly (readonly [pattern: string, text: string, match: string | undefined])[] = [
	['^/a(b|c)+$', '/abcb', '/abcb'],
	['a.c', 'a\nc', undefined],
	['a.c', 'a\rc', 'a\rc'],
	['(?s)a.c', 'a\nc', 'a\nc'],
	['(?i)FOO', 'xfoo', 'foo'],
	['a(?i:B)c', 'abc', 'abc'],
	['a(?i:B)c', 'abC', undefined],
	['a(?i)b|C', 'xc', 'c'],
	['\\d+\\.\\d{2,3}', 'v12.345x', '12.345'],
	['[[:alpha:]_]+', '1ab_c', 'ab_c'],
	['[^[:space:]]+', ' x y', 'x'],
	['[]a]+', 'b]a', ']a'],
	['[a\\-z]+', 'm-az', '-az'],
	['[\\w.-]+', '!a.b-c', 'a.b-c'],
	['\\Qa.b\\E+', 'a.bbb', 'a.bbb'],
	['\\x41\\x{42}\\103?', 'ABC', 'ABC'],
	['\\x41\\x{42}', 'xAB', 'AB'],
	['\\s', '\xa0', undefined],
	['\\bfoo\\b', 'a foo b', 'foo'],
	['^$', '', ''],
	['a{2}', 'aaa', 'aa'],
	['a{,2}', 'a{,2}', 'a{,2}'],
	['a{x}', 'a{x}', 'a{x}'],
	['(?<n>a)\\k<n>', 'xaa', 'aa'],
	['(a)(b)?\\1', 'aa', 'aa'],
	['(?P<n>x)(?P=n)', 'xx', 'xx'],
	['foo(?=bar)', 'foobar', 'foo'],
	['foo(?!bar)', 'foobar foox', 'foo'],
	['(?<=a)b', 'ab', 'b'],
	['a*?b', 'aab', 'aab'],
	['\\/\\"\\-', '/"-', '/"-'],
	['\\t\\r\\n', '\t\r\n', '\t\r\n'],
	['a(?#comment)b', 'ab', 'ab'],
	['\\Aab\\z', 'ab', 'ab'],
	['[\\d\\s]+', 'a1 2b', '1 2'],
	['\\h+\\H', 'a \tb', ' \tb'],
];

t.test('syntax', async (t) => {
	for (const [pattern, text, match] of MATCHES) t.equal(regex(pattern).exec(text)?.[0], match, pattern);
	t.ok(regex('straße', true).test('STRAßE'), 'ASCII letters only');
	t.notOk(regex('\xe9', true).test('\xc9'), 'bytes above 127 have no case');
});

t.test('what is refused', async (t) => {
	for (const pattern of [
		'(',
		')',
		'a**',
		'[a',
		'[z-a]',
		'\\',
		'a{3,2}',
		'*a',
		'(?>a)',
		'a++',
		'\\p{L}',
		'(?x)a',
		'(*ACCEPT)',
		'\\2(a)',
		'[[:nope:]]',
	]) {
		t.type(compileRegex(pattern), 'string', pattern);
	}
	t.match(compileRegex('(a+)+\\1'), /refused/, 'exponential, and without a linear form');
	t.match(compileRegex('^(?=(a*)*b)'), /refused/);
});

t.test('texts that make a backtracking engine stall do not', async (t) => {
	const started = process.hrtime.bigint();
	const cases: readonly (readonly [string, string])[] = [
		['(a+)+$', `${'a'.repeat(8000)}b`],
		['(a|aa)+$', `${'a'.repeat(8000)}b`],
		['(.*a){20}', 'a'.repeat(5000)],
		['^(([a-z])+.)+[A-Z]([a-z])+$', 'a'.repeat(5000)],
		['.*.*.*=', 'x'.repeat(8000)],
		['\\s+$', `${' '.repeat(8000)}x`],
		['(x+x+)+y', 'x'.repeat(5000)],
		[`${'a?'.repeat(40)}${'a'.repeat(40)}`, 'a'.repeat(40)],
		['(?=.*a.*b.*c)x', 'a'.repeat(8000)],
		['^(?!.*(.*)x).*$', 'y'.repeat(8000)],
	];
	for (const [pattern, text] of cases) {
		const compiled = compileRegex(pattern);
		if (typeof compiled !== 'string') compiled.test(text);
	}
	const elapsedMs = Number(process.hrtime.bigint() - started) / 1e6;
	t.ok(elapsedMs < 5000, `${Math.round(elapsedMs)} ms`);
});

t.test('both engines give the same answer', async (t) => {
	const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '(a)', '(a|b)', '(?:ab)', '\\d', '^', '$', '\\w');
	const piece = fc.tuple(atom, fc.constantFrom('', '', '*', '+', '?', '{1,2}', '*?'));
	const pattern = fc
		.array(piece, { minLength: 1, maxLength: 5 })
		.map((pieces) => pieces.map((one) => one.join('')).join(''));
	const seed = 20260304;
	t.comment(`seed ${seed}`);
	fc.assert(
		fc.property(pattern, fc.stringMatching(/^[ab1\n]{0,12}$/), fc.boolean(), (source, text, ignoreCase) => {
			const short = compileRegex(source, { ignoreCase });
			const translated = translateRegex(source, ignoreCase);
			if (typeof short === 'string' || 'error' in translated) return;
			if (short.isLinearBeyond === undefined) return;
			const linear = RE2JS.compile(translated.text).matcher(text);
			const viaLinear = linear.find() ? (linear.group(0) ?? null) : null;
			const viaBacktracking = new RegExp(translated.text).exec(text);
			if (viaLinear !== (viaBacktracking?.[0] ?? null)) throw new Error(`${source} on ${JSON.stringify(text)}`);
		}),
		{ seed, numRuns: 500 },
	);
});

t.test('references', async (t) => {
	const groups = ['whole', 'one', undefined];
	t.equal(expandReferences('<\\1-\\2-\\0>', groups), '<one--whole>');
	t.equal(expandReferences('\\\\1 \\x41\\n', groups), '\\1 An');
	t.equal(expandReferences('plain', groups), 'plain');
});
