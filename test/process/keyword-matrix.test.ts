/** The matrix of `-vv`: every name of the manual is in it, and what it says is what the program does. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { describeBuild } from '../../lib/process/build.js';
import { describeKeywords, keywordMatrix, type MatrixRow } from '../../lib/process/keyword-matrix.js';
import { ACTIONS } from '../../lib/rules/actions/index.js';
import { load } from '../config/load.js';

const tables = new Map(keywordMatrix().map(({ title, rows }) => [title, new Map(rows.map((row) => [row.name, row]))]));

function table(title: string): ReadonlyMap<string, MatrixRow> {
	const found = tables.get(title);
	if (found === undefined) throw new Error(`no table ${title}`);
	return found;
}

/** Names by the header of their part. */
function* fixture(path: string): Generator<readonly [part: string, name: string]> {
	let part = '';
	for (const line of readFileSync(path, 'latin1').split('\n')) {
		const header = /^\[(.*)\]$/.exec(line);
		if (header !== null) part = header[1] ?? '';
		else if (line !== '' && !line.startsWith('#')) yield [part, line];
	}
}

const TITLES: ReadonlyMap<string, string> = new Map([
	['global', 'global'],
	['proxy', 'Proxies'],
	['bind', 'bind options'],
	['server', 'server options'],
	['fetch', 'Fetches'],
	['converter', 'Converters'],
]);

t.test('every name of the manual has its line', async (t) => {
	let count = 0;
	for (const path of ['test/fixtures/config/keywords.txt', 'test/fixtures/language/keywords.txt']) {
		for (const [part, name] of fixture(path)) {
			const words = name.split(' ');
			const rows = table(TITLES.get(part) ?? 'Actions');
			// A row of fewer words speaks for all that begin so, and rows of more words for what they begin with.
			const row = words
				.map((_, index) => rows.get(words.slice(0, index + 1).join(' ')))
				.find((one) => one !== undefined);
			if (row === undefined && ![...rows.keys()].some((one) => one.startsWith(`${name} `))) t.fail(`${part}: ${name}`);
			count++;
		}
	}
	t.ok(count > 1100, `${count} names`);
});

t.test('actions stand in every rule set where the reference has them', async (t) => {
	for (const [site, name] of fixture('test/fixtures/language/keywords.txt')) {
		if (TITLES.has(site)) continue;
		const action = ACTIONS.get(name);
		if (action !== undefined)
			t.ok(
				action.sites.some((one) => one === site),
				`${site} ${name}`,
			);
	}
});

t.test('states are what the parser says', async (t) => {
	for (const [name, row] of table('global')) {
		if (row.state !== 'no: not built') continue;
		const { remarks } = load(`global\n ${name} 1 2\n`);
		t.match(remarks.join('\n'), /is not supported by holdfast|expects|has no sense/, name);
	}
	t.match(table('Proxies').get('dispatch')?.state ?? '', /^(?:yes|no: )/);
	t.equal(table('Fetches').get('fc_rtt')?.state, "no: Node does not tell the kernel's TCP_INFO");
	t.equal(table('Converters').get('lower')?.state, 'yes');
	t.match(table('global').get('cpu-map')?.state, /^yes, without effect: /);
	for (const [title, rows] of tables) {
		for (const { name, state } of rows.values()) {
			if (!/^(?:yes|yes, without effect: .+|no: .+)$/.test(state)) t.fail(`${title} ${name}: ${state}`);
		}
	}
});

t.test('as text', async (t) => {
	const text = describeKeywords([
		{
			title: 'Few',
			rows: [
				{ name: 'a', state: 'yes', places: ['frontend', 'tcp-request content'] },
				{ name: 'long', state: 'no: why', places: [] },
			],
		},
	]);
	t.equal(text, '\nFew : 1 of 2\n  a     yes [F tcp-request]\n  long  no: why\n');
	t.match(describeBuild(), /\nActions : \d+ of \d+\n/);
});
