/** The file of `stick-table-file` over its life: grown, replaced, taken over, out of reach. */
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	statSync,
	writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { systemClock } from '../../lib/core/clock.js';
import { restoreTables } from '../../lib/process/restoration.js';
import { SnapshotKeeper } from '../../lib/process/snapshot-keeper.js';
import type { StickTable } from '../../lib/stick-table/table.js';
import { waitFor } from '../fixtures/wait-for.js';
import { makeTable } from '../stick-table/model.js';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-snapshot-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const lines: string[] = [];
const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
const said = (pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;

let files = 0;
function setting(): { path: string; intervalMs: number } {
	return { path: join(folder, `tables${++files}`), intervalMs: 10 };
}

function count(table: StickTable | undefined, key: string, amount = 0): number | undefined {
	const slot = table?.slot('gpc0');
	if (table === undefined || slot === undefined) return undefined;
	if (amount > 0) return table.addByKey(key, slot, 0, amount, systemClock.monotonicMs());
	return table.readByKey(key, slot, 0, systemClock.monotonicMs());
}

async function restored(path: string, key: string, name = 't'): Promise<number | undefined> {
	if (!existsSync(path)) return undefined;
	const table = makeTable(['gpc0'], { keyType: 'string', name });
	await restoreTables(path, new Map([[name, table]]), systemClock, logger);
	return count(table, key);
}

t.test('what is counted is in the file an interval later; what is cleared is not', async (t) => {
	const settings = setting();
	const table = makeTable(['gpc0'], { keyType: 'string' });
	count(table, 'a', 1);
	const keeper = new SnapshotKeeper(systemClock, logger);
	keeper.keep(settings, [table]);
	await waitFor('the first save', async () => (await restored(settings.path, 'a')) === 1);
	t.equal(statSync(settings.path).mode & 0o777, 0o600, 'addresses of clients are nobody else’s business');
	const { ino } = statSync(settings.path);
	count(table, 'a', 4);
	count(table, 'b', 2);
	await waitFor('an append', async () => (await restored(settings.path, 'b')) === 2);
	t.equal(await restored(settings.path, 'a'), 5);
	t.equal(statSync(settings.path).ino, ino, 'appended, not written anew');
	table.clearByKey('a', systemClock.monotonicMs());
	await waitFor('a new file without the entry', async () => (await restored(settings.path, 'a')) === undefined);
	t.equal(await restored(settings.path, 'b'), 2);
	count(table, 'b', 1);
	await keeper.end();
	t.equal(await restored(settings.path, 'b'), 3, 'the last words');
	count(table, 'b', 1);
	await keeper.end();
	t.equal(await restored(settings.path, 'b'), 3, 'and no more');
	t.same(
		readdirSync(folder).filter((name) => name.includes('.tmp')),
		[],
	);
});

t.test('a reload: other tables, another path, none at all', async (t) => {
	const settings = setting();
	const keeper = new SnapshotKeeper(systemClock, logger);
	const first = makeTable(['gpc0'], { keyType: 'string', name: 'first' });
	const second = makeTable(['gpc0'], { keyType: 'string', name: 'second' });
	count(first, 'a', 1);
	count(second, 'a', 2);
	keeper.keep(settings, [first]);
	await waitFor('the first table', async () => (await restored(settings.path, 'a', 'first')) === 1);
	keeper.keep(settings, [second]);
	await waitFor('the second table', async () => (await restored(settings.path, 'a', 'second')) === 2);
	t.equal(await restored(settings.path, 'a', 'first'), undefined);
	const elsewhere = setting();
	keeper.keep(elsewhere, [second]);
	await waitFor('the other file', async () => (await restored(elsewhere.path, 'a', 'second')) === 2);
	keeper.keep(undefined, []);
	count(second, 'a', 5);
	await keeper.end();
	t.equal(await restored(elsewhere.path, 'a', 'second'), 2);
});

t.test('another process has put its file there: it is left alone', async (t) => {
	const settings = setting();
	const table = makeTable(['gpc0'], { keyType: 'string' });
	count(table, 'a', 1);
	const keeper = new SnapshotKeeper(systemClock, logger);
	keeper.keep(settings, [table]);
	await waitFor('a save', async () => (await restored(settings.path, 'a')) === 1);
	const other = `${settings.path}.other`;
	writeFileSync(other, 'theirs');
	renameSync(other, settings.path);
	await waitFor('it to be noticed', () => said(/another process keeps/) === 1);
	count(table, 'a', 1);
	await keeper.end();
	t.equal(readFileSync(settings.path, 'latin1'), 'theirs');
});

t.test('a folder that is missing is said once, and used when it is there', async (t) => {
	const path = join(folder, 'later', 'tables');
	const table = makeTable(['gpc0'], { keyType: 'string' });
	count(table, 'a', 1);
	const keeper = new SnapshotKeeper(systemClock, logger);
	keeper.keep({ path, intervalMs: 5 }, [table]);
	await waitFor('the complaint', () => said(/cannot be written/) > 0);
	mkdirSync(join(folder, 'later'));
	await waitFor('a save', async () => (await restored(path, 'a')) === 1);
	t.equal(said(/cannot be written/), 1);
	await keeper.end();
});
