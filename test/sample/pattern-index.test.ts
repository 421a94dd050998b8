/** Pattern sets: order and finest match, run-time changes, and long lists. */
import t from 'tap';
import { IpAddress } from '../../lib/core/address.js';
import { parseNetwork } from '../../lib/sample/network-matcher.js';
import { patternFileLines } from '../../lib/sample/pattern-file.js';
import { MATCH_INPUTS, type MatchMethod, PatternIndex, parseRange } from '../../lib/sample/pattern-index.js';
import { castTo } from '../../lib/sample/values.js';

function indexOf(method: MatchMethod, patterns: readonly string[], ignoreCase = false): PatternIndex {
	const made = new PatternIndex(method);
	for (const pattern of patterns) {
		const added = made.add(pattern, ignoreCase);
		if ('error' in added) throw new Error(added.error);
	}
	return made;
}

function address(text: string): IpAddress {
	const parsed = IpAddress.parse(text);
	if (parsed === undefined) throw new Error(text);
	return parsed;
}

t.test('the longest network and prefix, otherwise the first of the list', async (t) => {
	const networks = indexOf('ip', ['0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16', '10.1.2.3', '2001:db8::/32', '::/0']);
	const text = (ip: string): string | undefined => networks.find(address(ip))?.text;
	t.equal(text('10.1.2.3'), '10.1.2.3');
	t.equal(text('10.1.9.9'), '10.1.0.0/16');
	t.equal(text('10.9.9.9'), '10.0.0.0/8');
	t.equal(text('9.9.9.9'), '0.0.0.0/0');
	t.equal(text('2001:db8::5'), '2001:db8::/32');
	t.equal(text('2001:db9::5'), '::/0');
	t.equal(indexOf('beg', ['/', '/a/b', '/a']).find('/a/b/c')?.text, '/a/b');
	t.equal(indexOf('end', ['c', '/b/c', '/c']).find('/a/b/c')?.text, 'c');
	t.equal(indexOf('sub', ['b', 'a']).find('ab')?.text, 'b');
	t.equal(indexOf('int', ['1:9', '5', '7:']).find(5)?.text, '1:9');
	t.equal(indexOf('int', ['5', '1:9']).find(5)?.text, '5');
	t.equal(indexOf('int', ['9223372036854775807']).find(9223372036854775807n)?.text, '9223372036854775807');
	t.equal(indexOf('reg', ['b$', 'a']).find('ab')?.text, 'b$');
	t.equal(indexOf('str', ['__proto__', 'constructor']).find('toString'), undefined);
});

t.test('with and without case in one set', async (t) => {
	const mixed = new PatternIndex('str');
	mixed.add('Exact');
	mixed.add('any', true);
	t.ok(mixed.matches('Exact'));
	t.notOk(mixed.matches('exact'));
	t.ok(mixed.matches('ANY'));
});

t.test('changes at run time', async (t) => {
	const map = new PatternIndex('str');
	map.add('a', false, '1');
	map.add('a', false, '2');
	map.add('b', false, '3');
	t.equal(map.find('a')?.data, '1');
	t.equal(
		map.setData((entry) => entry.text === 'b', '9'),
		1,
	);
	t.equal(map.find('b')?.data, '9');
	const first = map.find('a');
	t.equal(
		map.remove((entry) => entry.id === first?.id),
		1,
	);
	t.equal(map.find('a')?.data, '2', 'the next of the same key');
	t.equal(
		map.remove((entry) => entry.text === 'zzz'),
		0,
	);
	t.same(
		[...map.entries()].map((entry) => entry.text),
		['a', 'b'],
	);
	map.clear();
	t.equal(map.size, 0);
	t.notOk(map.matches('b'));
});

t.test('patterns that are none', async (t) => {
	const bad: readonly (readonly [MatchMethod, string])[] = [
		['int', 'a'],
		['int', ':'],
		['int', '5:1'],
		['int', '5-9'],
		['len', '1.5'],
		['ip', '10.0.0.256'],
		['ip', '10.0.0.0/33'],
		['ip', '::/129'],
		['ip', 'localhost'],
		['ip', '1.2.3.4.5'],
		['ip', '::1/ffff::'],
		['bin', 'abc'],
		['bin', 'zz'],
		['reg', '('],
	];
	for (const [method, pattern] of bad) t.ok('error' in new PatternIndex(method).add(pattern), `${method} ${pattern}`);
	t.same(parseRange('1:'), { low: 1, high: undefined });
	t.equal(parseNetwork('10.12/8')?.address.toString(), '10.0.0.0');
});

t.test('long lists', async (t) => {
	const count = 100_000;
	const strings = new PatternIndex('str');
	const networks = new PatternIndex('ip');
	const prefixes = new PatternIndex('beg');
	for (let i = 0; i < count; i++) {
		strings.add(`host-${i}.example.com`);
		networks.add(`${IpAddress.fromV4((i << 8) >>> 0).toString()}/24`);
		prefixes.add(`/path/${i}/`);
	}
	const started = process.hrtime.bigint();
	let found = 0;
	for (let i = 0; i < 20_000; i++) {
		if (strings.matches(`host-${i * 7}.example.com`)) found++;
		if (networks.matches(IpAddress.fromV4(((i * 7) << 8) | 5))) found++;
		if (prefixes.matches(`/path/${i * 7}/x`)) found++;
	}
	const elapsedMs = Number(process.hrtime.bigint() - started) / 1e6;
	t.equal(found, 3 * Math.ceil(count / 7));
	t.ok(elapsedMs < 2000, `60,000 lookups in ${Math.round(elapsedMs)} ms`);
});

t.test('files', async (t) => {
	const content = '# comment\n\n  lead\n #sharp\nkey \t value with  spaces \t\r\nlast';
	t.same(
		[...patternFileLines(content, false)].map((line) => line.pattern),
		['lead', '#sharp', 'key \t value with  spaces \t', 'last'],
	);
	t.same(
		[...patternFileLines(content, true)].map((line) => [line.number, line.pattern, line.data]),
		[
			[3, 'lead', ''],
			[4, '#sharp', ''],
			[5, 'key', 'value with  spaces'],
			[6, 'last', ''],
		],
	);
});

t.test('changes by text are those of a set made anew', async (t) => {
	const methods: readonly (readonly [MatchMethod, readonly string[], readonly string[]])[] = [
		['str', ['a', 'b', 'a', 'c'], ['a', 'A', 'b', 'c', 'd']],
		['beg', ['a', 'ab', 'b', 'ab'], ['a', 'abc', 'b', 'x']],
		['end', ['a', 'ba', 'b'], ['xa', 'ba', 'b', 'x']],
		['sub', ['a', 'b', 'ab'], ['xax', 'xbx', 'xabx']],
		['dom', ['a.b', 'b', '.b.'], ['a.b', 'x.b.c']],
		['reg', ['^a', 'b$', '^a'], ['ab', 'b', 'x']],
		['int', ['1', '01', '1:5', '2'], ['1', '2', '4', '9']],
		[
			'ip',
			['10.0.0.1', '10.0.0.0/8', '10.0.0.1/32', '::1', '10.0.0.1/255.0.0.255'],
			['10.0.0.1', '10.9.0.1', '::1', '1.1.1.1'],
		],
	];
	for (const [method, patterns, values] of methods) {
		for (const ignoreCase of [false, true]) {
			for (const gone of new Set(patterns)) {
				const index = new PatternIndex(method);
				for (const text of patterns) index.add(text, ignoreCase, `data of ${text}`);
				const count = patterns.filter((text) => text === gone).length;
				t.equal(index.setDataOf(gone, 'new'), count);
				t.equal(index.entriesOf(gone)[0]?.data, 'new');
				t.equal(index.removeText(gone), count, `${method} ${gone}`);
				t.equal(index.removeText(gone), 0);
				index.add('9', ignoreCase, 'later');
				const anew = new PatternIndex(method);
				for (const text of patterns) if (text !== gone) anew.add(text, ignoreCase, `data of ${text}`);
				anew.add('9', ignoreCase, 'later');
				t.same(
					Array.from(index.entries(), (entry) => entry.text),
					Array.from(anew.entries(), (entry) => entry.text),
				);
				for (const value of values) {
					const found = index.find(castTo(MATCH_INPUTS[method], value) ?? value);
					const expected = anew.find(castTo(MATCH_INPUTS[method], value) ?? value);
					t.equal(found?.data, expected?.data, `${method} without ${gone}: ${value}`);
				}
			}
		}
	}
});
