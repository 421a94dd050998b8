/** The file of an earlier process: read into tables that are in use, or said why not. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { systemClock } from '../../lib/core/clock.js';
import { restoreTables } from '../../lib/process/restoration.js';
import { SnapshotSource } from '../../lib/stick-table/snapshot.js';
import type { StickTable } from '../../lib/stick-table/table.js';
import { makeTable } from '../stick-table/model.js';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-restore-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const lines: string[] = [];
const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
const said = (pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;

const restore = (path: string, ...tables: StickTable[]): Promise<void> =>
	restoreTables(path, new Map(tables.map((table) => [table.name, table])), systemClock, logger);

t.test('what was counted while it was read is added to', async (t) => {
	const path = join(folder, 'tables');
	const before = makeTable(['gpc0'], { name: 'a' });
	const slot = before.slot('gpc0');
	if (slot === undefined) return t.fail();
	const nowMs = systemClock.monotonicMs();
	for (let key = 0; key < 1000; key++) before.addByKey(key, slot, 0, 2, nowMs);
	const source = new SnapshotSource([before, makeTable(['gpc0'], { name: 'gone' })], systemClock);
	source.beginPass();
	while (!source.pass(1000));
	writeFileSync(path, Buffer.concat([...source.take(), source.commit()]));

	const after = makeTable(['gpc0'], { name: 'a' });
	const restored = restore(path, after);
	for (let key = 0; key < 10; key++) after.addByKey(key, slot, 0, 1, nowMs);
	await restored;
	for (let key = 0; key < 10; key++) t.equal(after.readByKey(key, slot, 0, nowMs), 3);
	t.equal(after.readByKey(10, slot, 0, nowMs), 2);
	t.equal(after.usedCount(), 1000);
	t.equal(after.verify(), undefined);
	t.match(lines.at(-1), /"entries":1000,"leftOut":0,"unknownTables":\["gone"\].*lostMs/);
});

t.test('nothing there, nothing readable, nothing usable', async (t) => {
	lines.length = 0;
	await restore(join(folder, 'none'));
	t.same(lines, [], 'the first start says nothing');
	await restore(folder);
	t.equal(said(/cannot be read/), 1);
	const path = join(folder, 'foreign');
	writeFileSync(path, 'foreign');
	await restore(path);
	t.equal(said(/put aside/), 1);
	t.equal(readFileSync(`${path}.damaged`, 'latin1'), 'foreign');
	t.notOk(existsSync(path));
});
