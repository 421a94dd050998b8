import t from 'tap';
import { press, splitKeys } from '../../../lib/runtime-api/top/choices.js';
import { type Choices, FIRST_CHOICES, screen, shareRows } from '../../../lib/runtime-api/top/screen.js';
import type { TopSnapshot } from '../../../lib/runtime-api/top/snapshot.js';
import {
	bar,
	bytes,
	duration,
	grouped,
	layOut,
	PLAIN,
	printable,
	rate,
	shorten,
} from '../../../lib/runtime-api/top/table-layout.js';

const RATE = { name: 'http_req_rate', periodMs: 10_000, isOrdered: true };
const COUNTER = { name: 'gpc0', periodMs: undefined, isOrdered: true };

const row = (cells: Record<string, string | number>) =>
	new Map(Object.entries({ mode: 'http', ...cells }).map(([name, value]) => [name, String(value)]));

const table = (name: string, used: number, size: number, evicted = 0) => ({
	name,
	type: 'ip',
	size,
	used,
	evicted,
	refused: 0,
	data: [RATE],
});

const peer = (name: string, more = {}) => ({
	section: 'mesh',
	name,
	isLocal: false,
	isConnected: true,
	status: 'ESTA',
	pendingUpdates: 0,
	lagMs: 0,
	updatesSent: 0,
	updatesReceived: 0,
	trouble: undefined,
	...more,
});

function look(atMs: number, requests: number, more: Partial<TopSnapshot> = {}): TopSnapshot {
	return {
		atMs,
		info: new Map(
			Object.entries({
				Name: 'Holdfast',
				Version: '0.1.0',
				node: 'lb1',
				Pid: '7',
				Uptime_sec: '7500',
				Nbthread: '2',
				Idle_pct: '80',
				PoolUsed_bytes: '95000000',
				CurrConns: '1204',
				SessRate: '21',
				CumReq: String(requests),
				BytesOutRate: '3100000',
			}),
		),
		rows: [
			row({
				pxname: 'b',
				svname: 'one',
				type: 2,
				status: 'UP',
				scur: 3,
				qcur: 0,
				req_tot: requests,
				hrsp_5xx: 0,
				rtime: 12,
			}),
			row({
				pxname: 'b',
				svname: 'two',
				type: 2,
				status: 'DOWN',
				scur: 0,
				qcur: 0,
				req_tot: 0,
				last_chk: 'refused',
				check_status: 'L4CON',
			}),
			row({ pxname: 'b', svname: 'BACKEND', type: 1, status: 'UP', scur: 3, qcur: 2, req_tot: requests }),
			row({ pxname: 'only_a_table', svname: 'BACKEND', type: 1, status: 'UP' }),
		],
		tables: [table('low', 10, 100), table('full', 100, 100, requests / 10), table('used', 80, 1000)],
		keys: new Map([
			[
				'low',
				{
					atMs,
					leading: RATE,
					keys: [
						{ key: '10.0.0.1', value: 300, others: [] },
						{ key: '10.0.0.2', value: 30, others: [['gpc0', '4']] as const },
					],
				},
			],
			['used', { atMs, leading: COUNTER, keys: [{ key: '/a', value: requests, others: [] }] }],
		]),
		peers: [
			peer('far', {
				isConnected: false,
				status: 'CONN',
				pendingUpdates: 12,
				lagMs: 9000,
				trouble: 'connection refused',
			}),
			peer('near', { updatesSent: requests }),
			peer('me', { isLocal: true, status: 'NONE' }),
		],
		sums: [
			{
				aggregation: 'sums',
				table: 't.local',
				sumTable: 't.sum',
				ownEntries: 4,
				sumEntries: 9,
				origins: [{ name: 'lb2', isSelf: false, isDirect: false, entries: 5, lastWordMs: 61_000 }],
			},
		],
		troubles: [],
		...more,
	};
}

const LOOKS = { now: look(2000, 500), before: look(1000, 400) };
const PAPER = { columns: 110, rows: undefined };
const draw = (
	choices: Partial<Choices> = {},
	looks = LOOKS,
	size: { columns: number; rows: number | undefined } = PAPER,
) => screen(looks, { ...FIRST_CHOICES, ...choices }, size, false);
const order = (lines: readonly string[], ...texts: readonly string[]) =>
	texts.map((text) => lines.findIndex((line) => line.startsWith(text)));
const isRising = (numbers: readonly number[]) => numbers.every((n, at) => n >= 0 && (at === 0 || n > numbers[at - 1]!));

t.test('head lines', (t) => {
	const [title = '', totals = ''] = draw();
	t.match(title, /^Holdfast 0\.1\.0 on lb1 {2}up 2h05m {2}2 threads 20% busy {2}95\.0 MB {2}pid 7 +\d\d:\d\d:\d\d$/);
	t.equal(title.length, 110);
	t.equal(totals, 'requests 100/s  conns 1,204  sessions 21/s  out 3.1 MB/s  servers 1 up 1 DOWN  peers 1/2');
	const first = screen({ now: look(1, 500), before: undefined }, FIRST_CHOICES, PAPER, false);
	t.equal(draw({}, LOOKS, { columns: 50, rows: 20 })[1], 'requests 100/s  conns 1,204  sessions 21/s', 'what fits');
	t.match(first[1], 'requests - (500 in all)', 'one look has no rates');
	t.end();
});

t.test('each part is sorted by what matters most', (t) => {
	const lines = draw();
	t.ok(isRising(order(lines, 'TABLES 3, by fill', 'full ', 'low ', 'used ')), 'fullest first');
	t.ok(
		isRising(order(lines, 'KEYS 3, by rate', '/a', '10.0.0.1', '10.0.0.2')),
		'a counter by its growth, a rate by its own',
	);
	t.match(
		lines.find((line) => line.startsWith('10.0.0.1')),
		/^10\.0\.0\.1 +30 +300 {2}http_req_rate\(10s\) {2}low$/,
	);
	t.match(
		lines.find((line) => line.startsWith('/a')),
		/^\/a +100 +500 {2}gpc0 +used$/,
	);
	t.ok(isRising(order(lines, 'SERVERS 3, by state', 'b/two', 'b/one')), 'down first');
	t.match(
		lines.find((line) => line.startsWith('b/one')),
		/^b\/one +UP +100 +3 +0 +0 +0 +12ms/,
	);
	t.match(
		lines.find((line) => line.startsWith('b/two')),
		/DOWN.*L4CON refused$/,
	);
	t.notMatch(lines.join('\n'), /only_a_table/);
	t.match(
		lines.find((line) => line.startsWith('full')),
		/\[##########\] 100% +100 +100 +50 +10 +0/,
	);
	t.ok(isRising(order(lines, 'PEERS 3, by behind', 'mesh/far', 'mesh/near', 'mesh/me')));
	t.match(
		lines.find((line) => line.startsWith('mesh/far')),
		/connecting +12 +9\.0s +0 +0 {2}connection refused$/,
	);
	t.match(
		lines.find((line) => line.startsWith('mesh/near')),
		/established +0 +0ms +100 +0$/,
	);
	t.match(
		lines.find((line) => line.startsWith('sums/t.local')),
		/t\.sum +4 +9 {2}lb2 away \(5, 1m01s\)$/,
	);
	t.end();
});

t.test('views, orders, reversed, scrolled', (t) => {
	const names = draw({ view: 'tables', sorts: new Map([['tables', 'name']]) });
	t.ok(isRising(order(names, 'TABLES 3, by name', 'full', 'low', 'used')));
	t.notMatch(names.join('\n'), /KEYS|SERVERS/);
	const reversed = draw({ view: 'tables', reversed: true });
	t.ok(isRising(order(reversed, 'TABLES 3, by fill reversed', 'used', 'low', 'full')));
	const many = Array.from({ length: 50 }, (_, at) => table(`t${at}`, 50 - at, 100));
	const looks = { now: look(2000, 1, { tables: many }), before: undefined };
	const scrolled = screen(looks, { ...FIRST_CHOICES, view: 'tables', offset: 20 }, { columns: 80, rows: 20 }, false);
	t.match(scrolled[3], 'TABLES 21-34 of 50, by fill');
	t.match(scrolled[5], /^t20 /);
	const beyond = screen(looks, { ...FIRST_CHOICES, view: 'tables', offset: 900 }, { columns: 80, rows: 20 }, false);
	t.match(beyond[3], 'TABLES 37-50 of 50', 'never beyond the last page');
	t.match(draw({ view: 'peers' }, { now: look(1, 1, { peers: [] }), before: LOOKS.before }).join('\n'), /PEERS none/);
	t.end();
});

t.test('never more lines, nor longer ones, than the terminal has', (t) => {
	for (const columns of [1, 10, 37, 80, 200]) {
		for (const rows of [1, 2, 5, 12, 24, 60]) {
			for (const view of ['all', 'keys', 'servers', 'sums'] as const) {
				const lines = draw({ view }, LOOKS, { columns, rows });
				t.equal(lines.length, rows, `${view} ${columns}x${rows}`);
				const longest = Math.max(...lines.map((line) => line.length));
				if (longest > columns) t.fail(`${view}: a line of ${longest} on ${columns} columns`);
			}
		}
	}
	t.end();
});

t.test('names and keys cannot steer the terminal', (t) => {
	const hostile = '\x1b]0;owned\x07\x9b2J\nx';
	const keys = new Map([
		['low', { atMs: 1, leading: RATE, keys: [{ key: hostile, value: 5, others: [[hostile, hostile]] as const }] }],
	]);
	const looks = {
		now: look(2, 1, { keys, tables: [table(hostile, 1, 2)], troubles: [hostile], peers: [peer(hostile)] }),
		before: undefined,
	};
	for (const hasColour of [false, true]) {
		const text = screen(looks, FIRST_CHOICES, PAPER, hasColour).join('');
		t.notMatch(text.replace(/\x1b\[[0-9;]*m/g, ''), /[\x00-\x1f\x7f-\x9f]/);
	}
	t.match(
		screen(looks, FIRST_CHOICES, { columns: 200, rows: undefined }, false).join('\n'),
		'\\x1b]0;owned\\x07\\x9b2J\\x0ax',
	);
	t.end();
});

t.test('colours only where they are wanted', (t) => {
	t.notMatch(draw({}, LOOKS, { columns: 80, rows: 24 }).join(''), '\x1b');
	const coloured = screen(LOOKS, FIRST_CHOICES, { columns: 110, rows: 40 }, true);
	t.match(
		coloured.find((line) => line.includes('b/two')),
		'\x1b[1;31mDOWN',
	);
	const bare = coloured.map((line) => line.replace(/\x1b\[[0-9;]*m/g, '').trimEnd());
	t.strictSame(
		bare,
		draw({}, LOOKS, { columns: 110, rows: 40 }).map((line) => line.trimEnd()),
		'and change nothing else',
	);
	t.end();
});

t.test('a program that is away', (t) => {
	t.strictSame(screen(undefined, FIRST_CHOICES, { columns: 40, rows: 3 }, false, 'connect ENOENT; trying again'), [
		'connect ENOENT; trying again',
		'',
		'q quit  a all  t tables  k keys  s serve',
	]);
	t.match(screen(LOOKS, FIRST_CHOICES, PAPER, false, 'gone').join('\n'), /gone\n.*TABLES/s, 'what was last seen stays');
	t.end();
});

t.test('rows are shared out', (t) => {
	t.strictSame(shareRows([1, 100, 100], 21), [1, 10, 10]);
	t.strictSame(shareRows([5, 5], 100), [5, 5]);
	t.strictSame(shareRows([5, 5], 0), [0, 0]);
	t.strictSame(shareRows([5, 5], -3), [0, 0]);
	t.strictSame(shareRows([9, 9, 9], 4), [2, 1, 1]);
	t.strictSame(shareRows([3, 4], undefined), [3, 4]);
	t.end();
});

t.test('keys pressed', (t) => {
	const after = (...keys: string[]) =>
		keys.reduce<Choices>((choices, key) => {
			const effect = press(key, choices);
			if (typeof effect === 'string') throw new Error(effect);
			return effect;
		}, FIRST_CHOICES);
	t.equal(after('k').view, 'keys');
	t.equal(after('4').view, 'servers');
	t.equal(after('t', 'o').sorts.get('tables'), 'used');
	t.equal(after('t', 'o', 'O').sorts.get('tables'), 'fill');
	t.equal(after('t', 'O').sorts.get('tables'), 'name', 'round');
	t.equal(after('t', 'o').sorts.get('servers'), undefined, 'only what is seen');
	t.equal(after('o').sorts.get('servers'), 'requests');
	t.equal(after('r').reversed, true);
	t.equal(after(' ').isPaused, true);
	t.equal(after('s', '\x1b[B', '\x1b[6~').offset, 11);
	t.equal(after('s', '\x1b[B', '\x1b[5~').offset, 0);
	t.equal(after('s', '\x1b[B', 't').offset, 0, 'another view begins at its start');
	t.strictSame(after('x', '\x1b[Z'), FIRST_CHOICES);
	for (const key of ['q', '\x03', '\x04']) t.equal(press(key, FIRST_CHOICES), 'quit');
	t.equal(press('\x1a', FIRST_CHOICES), 'suspend');
	t.strictSame(splitKeys('k\x1b[B\x1bOAq\x1b'), ['k', '\x1b[B', '\x1bOA', 'q', '\x1b']);
	t.end();
});

t.test('columns give way', (t) => {
	const columns = [
		{ title: 'NAME', shrinksTo: 6, rank: 0 },
		{ title: 'N', align: 'right' as const, rank: 1 },
		{ title: 'MORE', rank: 2 },
	];
	const rows = [[{ text: 'abcdefghijkl' }, { text: '12' }, { text: 'xyz' }]];
	t.strictSame(layOut(columns, rows, 40, PLAIN), ['NAME           N  MORE', 'abcdefghijkl  12  xyz']);
	t.strictSame(layOut(columns, rows, 16, PLAIN), ['NAME     N  MORE', 'abc~kl  12  xyz'], 'the name is shortened');
	t.strictSame(layOut(columns, rows, 14, PLAIN), ['NAME         N', 'abcde~ijkl  12'], 'then a column leaves');
	t.strictSame(layOut(columns, rows, 4, PLAIN), ['NAME', 'ab~l']);
	t.end();
});

t.test('figures', (t) => {
	t.strictSame([0, 999, 1000, 1234567.6].map(grouped), ['0', '999', '1,000', '1,234,568']);
	t.strictSame([undefined, 0, 0.25, 9.99, 1234].map(rate), ['-', '0', '0.3', '10', '1,234']);
	t.strictSame([0, 999, 1000, 999_600, 99_600_000, 3e12].map(bytes), [
		'0 B',
		'999 B',
		'1.0 kB',
		'1.0 MB',
		'100 MB',
		'3.0 TB',
	]);
	t.strictSame([0, 340, 5200, 59_400, 61_000, 7_500_000, 266_400_000].map(duration), [
		'0ms',
		'340ms',
		'5.2s',
		'59s',
		'1m01s',
		'2h05m',
		'3d02h',
	]);
	t.strictSame([0, 0.001, 0.5, 0.999, 1, 7].map(bar), [
		'[..........]   0%',
		'[#.........]   0%',
		'[#####.....]  50%',
		'[##########]  99%',
		'[##########] 100%',
		'[##########] 100%',
	]);
	t.equal(shorten('abcdefghij', 5), 'ab~ij');
	t.equal(shorten('abcdefghij', 2), 'ab');
	t.equal(printable('a\x00\u20ac\xe9'), 'a\\x00?\\xe9');
	t.end();
});
