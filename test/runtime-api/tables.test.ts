/** `show table`, `set table`, `clear table`: a session recorded from HAProxy 3.5, replayed; then what is ours. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { bytesOf } from '../../lib/core/bytes.js';
import type { StickTable } from '../../lib/stick-table/table.js';
import { ask, createView, type TestView } from './view.js';

const FOLDER = new URL('../fixtures/vectors/cli/', import.meta.url);
const vector = (name: string): string => readFileSync(new URL(name, FOLDER), 'latin1');

/** The configuration that both programs ran, with ports and paths filled in. */
const RECORDED = vector('a.cfg')
	.replace('global\n', 'global\n    localpeer A\n')
	.replace(/\$\{SOCK_A\}/, '/run/a.sock')
	.replace(/\$\{PORT_([A-Z]+)\}/g, (_, name: string) => String(8000 + ['A', 'B', 'FE'].indexOf(name)));

function tableOf({ view }: TestView, name: string): StickTable {
	const table = view.tables.get(name);
	if (table === undefined) throw new Error(`no table ${name}`);
	return table;
}

/** What the traffic of the recording had left in two tables. */
function asAfterTraffic(): TestView {
	const test = createView(RECORDED);
	const nowMs = test.view.clock.monotonicMs();
	const texts = tableOf(test, 'mypeers/t_str');
	for (const [key, bytes] of [
		['plain', 55],
		['a b=c\\d"e', 63],
	] as const) {
		for (const [type, value] of [
			['gpc0', 1],
			['http_req_rate', 1],
			['bytes_in_cnt', bytes],
		] as const) {
			texts.setByKey(key, texts.slot(type)!, 0, value, nowMs);
		}
	}
	for (const key of ['abcd', 'ab\0\0']) tableOf(test, 't_bin').touchByKey(bytesOf(key), nowMs);
	return test;
}

interface Exchange {
	readonly command: string;
	readonly answer: string;
}

function exchanges(name: string): Exchange[] {
	return vector(name)
		.split(/^> /m)
		.slice(1)
		.map((text) => {
			const end = text.indexOf('\n');
			return { command: text.slice(0, end), answer: text.slice(end + 1).replace(/\n+$/, '') };
		});
}

/** Pointers and milliseconds differ, shards are not printed, the order of entries is free. */
function masked(answer: string): string {
	const lines = answer
		.replace(/^0x[0-9a-f]+/gm, 'PTR')
		.replace(/ exp=[1-9]\d*/g, ' exp=N')
		.replace(/ shard=0/g, '')
		.replace(/\n+$/, '')
		.split('\n');
	const entries = lines.filter((line) => line.startsWith('PTR')).sort();
	return [...lines.filter((line) => !line.startsWith('PTR')), ...entries].join('\n');
}

/** Where we answer otherwise, and why. */
const OUR_ANSWERS: ReadonlyMap<string, string> = new Map([
	// A text that is no number is never the integer 0.
	['set table t_int key abc data.gpc0 3', 'Invalid key'],
	[
		'show table t_int',
		[
			'# table: t_int, type: integer, size:2000, used:3',
			...['2 use=0 exp=0 gpc0=3', '42 use=0 exp=0 gpc0=1', '4294967295 use=0 exp=0 gpc0=2'].map(
				(one) => `0x1: key=${one}`,
			),
		].join('\n'),
	],
	// `top` is ours.
	[
		'show table t_ip foo',
		'Optional argument only supports "data.<store_data_type>" <operator> <value> or key <key> or ptr <ptr> or top <n> by <store_data_type>',
	],
]);

t.test('a session recorded from HAProxy 3.5', async (t) => {
	const test = asAfterTraffic();
	/** Their pointers, and what our entry of the same key is called. */
	const pointers = new Map<string, string>();
	let compared = 0;
	for (const { command, answer } of exchanges('cli-v35.txt')) {
		if (/^show peers|;/.test(command)) continue;
		const ours = command.replace(
			/ptr (0x[0-9a-f]+)/,
			(_, pointer: string) => `ptr ${pointers.get(pointer) ?? pointer}`,
		);
		const got = await ask(test, ours);
		const expected = OUR_ANSWERS.get(command) ?? answer;
		t.equal(masked(got), masked(expected), command);
		compared++;
		for (const [, pointer = '', key = ''] of answer.matchAll(/^(0x[0-9a-f]+): key=(\S+)/gm)) {
			const same = got.split('\n').find((line) => line.includes(`: key=${key} `));
			if (same !== undefined) pointers.set(pointer, same.slice(0, same.indexOf(':')));
		}
	}
	t.ok(compared > 60, `${compared} commands`);
});

const CONFIG = `
backend t
  stick-table type ip size 1k expire 10m store gpc0,http_req_rate(10s)
backend many
  stick-table type integer size 100k store gpc0
backend odd
  stick-table type string len 32 size 10 nopurge store gpc0,server_key
`;

t.test('top: the highest, in falling order', async (t) => {
	const test = createView(CONFIG);
	const table = tableOf(test, 'many');
	const slot = table.slot('gpc0')!;
	for (let key = 0; key < 20_000; key++) table.setByKey(key, slot, 0, (key * 7919) % 20_000, 1);
	const lines = (await ask(test, 'show table many top 5 by gpc0')).split('\n').slice(1, -1);
	t.strictSame(
		lines.map((line) => Number(/gpc0=(\d+)/.exec(line)?.[1])),
		[19_999, 19_998, 19_997, 19_996, 19_995],
	);
	t.match(
		await ask(test, 'show table many data.gpc0 lt 3 top 2 by data.gpc0'),
		/gpc0=2\n.*gpc0=1\n$/,
		'after a filter',
	);
	t.equal((await ask(test, 'show table t top 5 by gpc0')).split('\n').length, 2, 'an empty table has a header');
	t.match(await ask(test, 'show table t top 0 by gpc0'), /from 1 to 10000/);
	t.match(await ask(test, 'show table t top 99999999999 by gpc0'), /from 1 to 10000/);
	t.match(await ask(test, 'show table t top 5'), /by <store_data_type>/);
	t.equal(await ask(test, 'show table t top 5 by gpc1'), 'Data type not stored in this table\n');
	t.equal(await ask(test, 'show table t top 5 by nope'), 'Unknown data type\n');
	t.match(await ask(test, 'show table odd top 5 by server_key'), /is no number/);
});

t.test('json', async (t) => {
	const test = createView(CONFIG);
	await ask(test, 'set table t key 10.0.0.1 data.gpc0 3');
	await ask(test, 'set table odd key a\\ "b<é data.gpc0 1');
	const all = JSON.parse(await ask(test, 'show table json')) as { table: string }[];
	t.same(all.map(({ table }) => table).sort(), ['many', 'odd', 't']);
	const one = JSON.parse(await ask(test, 'show table t json')) as Record<string, unknown>;
	t.match(one, {
		table: 't',
		used: 1,
		entries: [{ key: '10.0.0.1', use: 0, data: { gpc0: 3, http_req_rate: { value: 0, periodMs: 10_000 } } }],
	});
	t.match(JSON.parse(await ask(test, 'show table odd json')), { entries: [{ key: 'a "b<é' }] });
	t.match(JSON.parse(await ask(test, 'show table t key 9.9.9.9 json')), { entries: [] });
	t.match(JSON.parse(await ask(test, 'show table t data.gpc0 gt 5 json')), { entries: [] });
	t.match(JSON.parse(await ask(test, 'show table t top 1 by gpc0 json')), { entries: [{ key: '10.0.0.1' }] });
});

t.test('a key that is called like a property of objects', async (t) => {
	const test = createView(CONFIG);
	for (const key of ['__proto__', 'constructor', 'hasOwnProperty']) {
		t.equal(await ask(test, `show table ${key}`), 'No such table\n');
		t.equal(await ask(test, `set table odd key ${key} data.gpc0 1`), '');
		t.match(await ask(test, `show table odd key ${key}`), new RegExp(`key=${key} .*gpc0=1`));
		t.equal(await ask(test, `set table odd key x data.${key} 1`), 'Unknown data type\n');
	}
});

t.test('several values are one step, and what stands before a fault is done', async (t) => {
	const test = createView(CONFIG);
	t.equal(await ask(test, 'set table t key 1.1.1.1 data.gpc0 5 data.http_req_rate 9'), '');
	t.match(await ask(test, 'show table t key 1.1.1.1'), /gpc0=5 http_req_rate\(10000\)=9/);
	t.equal(await ask(test, 'set table t key 1.1.1.1 data.gpc0 6 data.nope 1'), 'Unknown data type\n');
	t.match(await ask(test, 'show table t key 1.1.1.1'), /gpc0=6/);
	t.equal(
		await ask(test, 'set table t key 1.1.1.1 data.gpc0 99999999999999999999999'),
		'Require a valid integer value to store\n',
	);
});

t.test('no table is emptied by a command that is cut', async (t) => {
	const test = createView(CONFIG);
	await ask(test, 'set table t key 1.1.1.1');
	t.match(await ask(test, 'set table t'), /^Required arguments/, 'HAProxy empties it');
	t.equal(tableOf(test, 't').usedCount(), 1);
});

t.test('full with nopurge, and entries in use', async (t) => {
	const test = createView(CONFIG);
	for (let i = 0; i < 10; i++) t.equal(await ask(test, `set table odd key k${i}`), '');
	t.equal(await ask(test, 'set table odd key k10'), 'Unable to allocate a new entry\n');
	const table = tableOf(test, 'odd');
	const entry = table.track('k3', 1);
	t.equal(await ask(test, 'clear table odd key k3'), 'Entry currently in use, cannot remove\n');
	t.equal(await ask(test, 'clear table odd'), '');
	t.equal(table.usedCount(), 1, 'the one in use stays');
	table.untrack(entry, 2);
});

t.test('a dump can be stopped anywhere, and reads on demand', async (t) => {
	const test = createView(CONFIG);
	const table = tableOf(test, 'many');
	for (let key = 0; key < 5_000; key++) table.touchByKey(key, 1);
	const seen = new Set<string>();
	let pauses = 0;
	for (const entry of table.walk(1)) {
		if (entry === undefined) pauses++;
		else seen.add(String(entry.key));
		if (seen.size === 10) break;
	}
	t.equal(seen.size, 10);
	for (const entry of table.walk(1)) if (entry === undefined) pauses++;
	t.ok(pauses > 0, 'a long walk pauses');
});

t.test('entries are listed in the order of their keys, as from HAProxy, up to ten thousand', async (t) => {
	const keysOf = async (type: string, keys: readonly string[]): Promise<string[]> => {
		const test = createView(`backend t\n    stick-table type ${type} size 20k store gpc0\n`);
		for (const key of keys) await ask(test, `set table t key ${key} data.gpc0 1`);
		return [...(await ask(test, 'show table t')).matchAll(/key=(\S+)/g)].map((found) => found[1] ?? '');
	};
	t.same(await keysOf('string len 9', ['b', 'a', 'B', 'ab', 'aa', '10', '9']), ['10', '9', 'B', 'a', 'aa', 'ab', 'b']);
	t.same(await keysOf('ip', ['10.0.0.2', '9.0.0.1', '200.1.1.1']), ['9.0.0.1', '10.0.0.2', '200.1.1.1']);
	t.same(await keysOf('integer', ['256', '2', '10', '1']), ['256', '1', '2', '10'], 'as they lie in its memory');
	const test = createView('backend t\n    stick-table type integer size 20k store gpc0\n');
	const table = tableOf(test, 't');
	const nowMs = test.view.clock.monotonicMs();
	for (let key = 0; key < 10_050; key++) table.touchByKey(key, nowMs);
	t.equal((await ask(test, 'show table t')).match(/key=/g)?.length, 10_050);
});
