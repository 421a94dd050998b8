/** Tables of sums: what they read, and that nothing counts in them. */
import t from 'tap';
import { DATA_TYPES } from '../../lib/stick-table/data-types.js';
import { SumTable } from '../../lib/stick-table/sum-table.js';
import { addShare, SUM_RULES } from '../../lib/stick-table/sums.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { stored, tableModel } from '../simulation/aggregate-cluster.js';

const STORE = [
	stored('server_id'),
	stored('gpt0'),
	stored('conn_cur'),
	stored('conn_cnt'),
	stored('http_req_rate', 10_000),
	stored('bytes_in_cnt'),
	stored('server_key'),
	stored('gpc', undefined, 3),
];

function tables(expireMs?: number): { own: StickTable; remote: StickTable; sum: SumTable } {
	const model = tableModel('p/req.local', { store: STORE, expireMs });
	const own = new StickTable(model, StickTable.allocate(model));
	const sumModel = { ...model, name: 'p/req.sum', sumOf: model.name };
	const sum = new SumTable(sumModel, StickTable.allocate(sumModel), own);
	const remoteModel = { ...model, name: 'remote' };
	return { own, sum, remote: new StickTable(remoteModel, sum.buffer) };
}

t.test('every data type has its rule', async (t) => {
	t.same(
		Object.keys(SUM_RULES),
		DATA_TYPES.map(({ name }) => name),
	);
	for (const { name, isAsIs, isLocalOnly } of DATA_TYPES) {
		t.equal(SUM_RULES[name], isAsIs ? 'newest' : isLocalOnly ? 'add connected' : 'add', name);
	}
});

t.test('readings are own plus remote, by every way of reading', async (t) => {
	const { own, remote, sum } = tables(60_000);
	const gpc = own.slot('gpc')!;
	const bytes = own.slot('bytes_in_cnt')!;
	own.addByKey('k', gpc, 2, 5, 1000);
	remote.addByKey('k', gpc, 2, 7, 1000);
	own.addByKey('k', bytes, 0, 2 ** 40, 1000);
	remote.addByKey('k', bytes, 0, 2 ** 41 + 3, 1000);
	own.addByKey('mine', gpc, 0, 1, 1000);
	remote.addByKey('theirs', gpc, 0, 2, 1000);

	t.equal(sum.readByKey('k', gpc, 2, 1000), 12);
	t.equal(sum.readByKey('k', bytes, 0, 1000), 2 ** 40 + 2 ** 41 + 3);
	t.equal(sum.readByKey('mine', gpc, 0, 1000), 1);
	t.equal(sum.readByKey('theirs', gpc, 0, 1000), 2);
	t.equal(sum.readByKey('nobody', gpc, 0, 1000), undefined);
	const entry = sum.track('k', 1000);
	t.equal(sum.read(entry, gpc, 2, 1000), 12);
	t.equal(sum.add(entry, gpc, 2, 100, 1000), 12, 'counting in it changes nothing');
	t.equal(sum.readByKey('k', own.slot('conn_cnt')!, 0, 1000), 0, 'nor does tracking');
	sum.untrack(entry, 1000);
	t.equal(sum.setAllByKey(), false);

	const seen = new Map<string, number>();
	for (const view of sum.entries(1000)) seen.set(String(view.key), view.reading(gpc, view.key === 'k' ? 2 : 0));
	t.same(
		seen,
		new Map([
			['k', 12],
			['mine', 1],
			['theirs', 2],
		]),
	);
	const view = sum.newView();
	t.ok(sum.copyByKey('k', view, 1000));
	t.equal(view.reading(bytes, 0), 2 ** 40 + 2 ** 41 + 3);
	t.equal(own.verify(), undefined);
	t.equal(remote.verify(), undefined);
});

t.test('for the key of an entry that is tracked in the own table, and in any other', async (t) => {
	const { own, remote, sum } = tables(60_000);
	const rate = own.slot('http_req_rate')!;
	const elsewhere = tables(60_000).own;
	for (const tracking of [own, elsewhere]) {
		for (const key of ['k', 'mine']) {
			const entry = tracking.track(key, 1000);
			if (tracking === own) own.add(entry, rate, 0, 5, 1000);
			if (key === 'k') remote.addByKey('k', rate, 0, 7, 1000);
			own.setByKey(key, own.slot('gpt0')!, 0, 3, 1000);
			for (const type of ['http_req_rate', 'gpt0', 'bytes_in_cnt']) {
				const slot = own.slot(type)!;
				const read = sum.readTracked(tracking, entry, slot, 0, 1000);
				t.equal(read, sum.readByKey(key, slot, 0, 1000), `${type} of ${key}`);
			}
			tracking.untrack(entry, 1000);
		}
	}
	t.equal(sum.readByKey('k', rate, 0, 1000), 5 + 2 * 7);
});

t.test('states are those of whoever was touched last', async (t) => {
	const { own, remote, sum } = tables(60_000);
	own.storeServer('k', 1, 's1', 1000);
	remote.storeServer('k', 2, 's2', 2000);
	t.equal(sum.serverKey('k', 2000), 's2');
	t.equal(sum.serverId('k', 2000), 2);
	own.storeServer('k', 3, 's3', 3000);
	t.same(sum.matchServer('k', 3000), { serverId: 3, serverKey: 's3' });
	t.equal(sum.expireMs('k', 3000), 60_000);
	t.equal(sum.idleMs('k', 4000), 1000);
});

t.test('the sum of two rates reads what both read together', async (t) => {
	const { own, remote } = tables();
	const rate = own.slot('http_req_rate')!;
	const [a, b] = [own.newView(), remote.newView()];
	let state = 12345;
	const random = (below: number): number => {
		state = (Math.imul(state, 1103515245) + 12345) >>> 0;
		return (state >>> 8) % below;
	};
	for (let round = 0; round < 300; round++) {
		const key = `k${round % 20}`;
		let nowMs = 100_000 + round * 50_000;
		for (let i = random(20); i >= 0; i--) {
			nowMs += random(3000);
			own.addByKey(key, rate, 0, random(50), nowMs);
			if (random(2) === 0) remote.addByKey(key, rate, 0, random(50), nowMs + random(100));
		}
		nowMs += random(15_000);
		if (!own.copyByKey(key, a, nowMs) || !remote.copyByKey(key, b, nowMs)) continue;
		const together = a.reading(rate, 0) + b.reading(rate, 0);
		addShare(a.words, b.words, a.slots, nowMs, false);
		const sum = a.reading(rate, 0);
		if (Math.abs(sum - together) > 2) t.fail(`round ${round}: ${sum} instead of ${together}`);
	}
	t.pass('300 pairs');
});
