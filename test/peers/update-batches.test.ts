/** Updates that several peers get alike: encoded once, and each peer gets what it would have got alone. */
import t from 'tap';
import { MessageWriter } from '../../lib/peers/encode.js';
import { EntryRecord } from '../../lib/peers/entry-record.js';
import { SharedTable } from '../../lib/peers/shared-table.js';
import { ReplicatedStickTable } from '../../lib/peers/stick-table-adapter.js';
import { UpdateBatches } from '../../lib/peers/update-batches.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { stored, tableModel } from '../simulation/aggregate-cluster.js';

function replicated(store = [stored('http_req_cnt')]): ReplicatedStickTable {
	const model = tableModel('p/t', { store });
	return new ReplicatedStickTable(new StickTable(model, StickTable.allocate(model)));
}

function sharedAt(table: ReplicatedStickTable, pushedId?: number): SharedTable {
	const shared = new SharedTable(table, 1, new EntryRecord(table.columns), 'own share');
	if (pushedId !== undefined) shared.push(pushedId);
	return shared;
}

/** A session that stood at `from` has pushed up to 9. */
function withBatch(table: ReplicatedStickTable, from: number | undefined): UpdateBatches {
	const batches = new UpdateBatches();
	const writer = new MessageWriter();
	writer.control(1);
	const start = writer.length;
	writer.bytes(Buffer.from('updates'));
	const shared = sharedAt(table, 9);
	const place = { id: from ?? 0, isStart: from === undefined };
	batches.keep(shared, place, writer, start, { count: 3, isWhole: true, sendsTimes: true, atMs: 100 });
	return batches;
}

t.test('for whoever stands at the same place at the same moment', async (t) => {
	const table = replicated();
	const batch = withBatch(table, 5).find(sharedAt(table, 5), 100, true);
	t.match(batch, { count: 3, lastId: 9, isWhole: true });
	t.equal(batch?.bytes.toString(), 'updates', 'and nothing of what stood before it');
	t.ok(withBatch(table, undefined).find(sharedAt(table), 100, true), 'from the start');
});

t.test('for nobody else', async (t) => {
	const table = replicated();
	const batches = withBatch(table, 5);
	t.equal(batches.find(sharedAt(table, 4), 100, true), undefined, 'who is behind');
	t.equal(batches.find(sharedAt(table, 9), 100, true), undefined, 'who is ahead');
	t.equal(batches.find(sharedAt(table), 100, true), undefined, 'who begins');
	t.equal(batches.find(sharedAt(table, 5), 101, true), undefined, 'later: rates have aged');
	t.equal(batches.find(sharedAt(table, 5), 100, false), undefined, 'who does not read times');
	t.equal(batches.find(sharedAt(replicated(), 5), 100, true), undefined, 'another table');
	t.equal(withBatch(table, undefined).find(sharedAt(table, 0), 100, true), undefined, 'id 0 is not the start');
	batches.forget(table);
	t.equal(batches.find(sharedAt(table, 5), 100, true), undefined, 'a table that is gone');
});

t.test('not where strings are sent by ids of one session', async (t) => {
	const batches = new UpdateBatches();
	t.ok(batches.isShareable(replicated()));
	t.notOk(batches.isShareable(replicated([stored('http_req_cnt'), stored('server_key')])));
});
