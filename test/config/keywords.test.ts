/** Every keyword of the manual is a row of its table: built, accepted without effect, or refused by name. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { bindOptionRows } from '../../lib/config/keywords/bind.js';
import { GLOBAL_KEYWORDS } from '../../lib/config/keywords/global.js';
import { PROXY_KEYWORDS } from '../../lib/config/keywords/proxy.js';
import { serverOptionRows } from '../../lib/config/keywords/server.js';
import { KeywordTable } from '../../lib/config/statement.js';
import { load } from './load.js';

const TABLES: Readonly<Record<string, ReadonlySet<string>>> = {
	global: new Set([...GLOBAL_KEYWORDS.rows()].map((row) => row.name)),
	proxy: new Set([...PROXY_KEYWORDS.rows()].map((row) => row.name)),
	bind: new Set(bindOptionRows().map((row) => row.name)),
	server: new Set(serverOptionRows().map((row) => row.name)),
};

t.test('the manual in the tables', async (t) => {
	let table = '';
	let count = 0;
	for (const line of readFileSync('test/fixtures/config/keywords.txt', 'latin1').split('\n')) {
		const header = /^\[(\w+)\]$/.exec(line);
		if (header !== null) table = header[1] ?? '';
		else if (line !== '' && !line.startsWith('#')) {
			// A row of fewer words speaks for all that begin so (`compression`, `tcp-check`).
			const words = line.split(' ');
			const known = words.some((_word, index) => TABLES[table]?.has(words.slice(0, index + 1).join(' ')));
			t.ok(known, `${table}: ${line}`);
			count++;
		}
	}
	t.ok(count > 450, `${count} keywords`);
});

t.test('what is accepted without effect says so once', async (t) => {
	const { model, remarks } = load('global\n cpu-map 1 0\n cpu-map 2 1\n noepoll\n busy-polling\n');
	t.ok(model);
	t.same(
		remarks.map((remark) => remark.replace(/:.*/, '')),
		['notice 2', 'notice 4', 'notice 5'],
	);
	t.match(remarks[0], /'cpu-map' is accepted without effect: /);
});

t.test('what is refused names itself and its section', async (t) => {
	const { remarks } = load('global\n lua-load x\nbackend b\n transparent\n option spop-check\n');
	t.match(remarks[0], /^alert 2: 'lua-load' is not supported by holdfast.* in 'global' section/);
	t.match(remarks[1], /^alert 4: 'transparent' is not supported by holdfast.* in 'backend' section/);
	t.match(remarks[2], /^alert 5: 'option spop-check' is not supported by holdfast/);
});

t.test('a row cannot stand twice', async (t) => {
	t.throws(() => new KeywordTable([{ name: 'a' }], [{ name: 'a' }]), /twice/);
});
