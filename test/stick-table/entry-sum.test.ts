/** The sum of one key over tables, against the plain sum of what each of them reads. */
import t from 'tap';
import { StickTable } from '../../lib/stick-table/table.js';
import { stored, tableModel } from '../simulation/aggregate-cluster.js';
import { Chance } from '../simulation/virtual-time.js';

const STORE = [
	stored('gpt0'),
	stored('http_req_cnt'),
	stored('http_req_rate', 10_000),
	stored('server_key'),
	stored('bytes_in_cnt'),
	stored('gpc', undefined, 3),
];

function tables(count: number, isAlike: boolean): StickTable[] {
	const model = tableModel('t', { store: STORE, expireMs: 60_000, recvOnly: true });
	const first = StickTable.allocate(model);
	const others = Array.from({ length: count - 1 }, () => StickTable.allocate(model, isAlike ? first : undefined));
	return [first, ...others].map((buffer) => new StickTable(model, buffer));
}

for (const isAlike of [true, false]) {
	t.test(`adds what the tables read, ${isAlike ? 'hashed alike' : 'each with a hash of its own'}`, async (t) => {
		const chance = new Chance(7);
		const [target, ...shares] = tables(4, isAlike) as [StickTable, ...StickTable[]];
		const sum = target.newSum();
		let nowMs = 1000;
		for (let round = 0; round < 300; round++) {
			nowMs += chance.between(0, 3000);
			const key = `k${chance.index(5)}`;
			const share = chance.pick(shares);
			for (const type of ['http_req_cnt', 'http_req_rate', 'bytes_in_cnt']) {
				share.addByKey(key, share.slot(type)!, 0, chance.between(1, 3_000_000_000), nowMs);
			}
			share.addByKey(key, share.slot('gpc')!, 2, 1, nowMs);
			share.setByKey(key, share.slot('gpt0')!, 0, round, nowMs);
			share.storeServer(key, 0, `s${round % 3}`, nowMs);
			const bytes = Buffer.from(key);
			t.ok(target.beginSum(sum, bytes, bytes.length));
			for (const one of shares) one.addToSum(sum, nowMs);
			target.learnSum(sum, nowMs, false);
			const total = (type: string, index = 0): number =>
				shares.reduce((all, one) => all + (one.readByKey(key, one.slot(type)!, index, nowMs) ?? 0), 0);
			const read = (type: string, index = 0): number =>
				target.readByKey(key, target.slot(type)!, index, nowMs) ?? Number.NaN;
			if (read('http_req_cnt') !== total('http_req_cnt') % 2 ** 32) t.fail(`round ${round}: counter`);
			if (read('bytes_in_cnt') !== total('bytes_in_cnt')) t.fail(`round ${round}: 64 bits`);
			if (read('gpc', 2) !== total('gpc', 2)) t.fail(`round ${round}: array`);
			if (read('gpt0') !== round) t.fail(`round ${round}: the newest state`);
			if (target.serverKey(key, nowMs) !== `s${round % 3}`) t.fail(`round ${round}: the newest string`);
			if (target.expireMs(key, nowMs) !== 60_000) t.fail(`round ${round}: the latest date`);
		}
		t.equal(target.verify(), undefined);
	});
}

t.test('a key that nobody has any more goes', async (t) => {
	const [target, share] = tables(2, true) as [StickTable, StickTable];
	const sum = target.newSum();
	const key = Buffer.from('k');
	const take = (nowMs: number): void => {
		target.beginSum(sum, key, key.length);
		share.addToSum(sum, nowMs);
		target.learnSum(sum, nowMs, false);
	};
	share.addByKey('k', share.slot('http_req_cnt')!, 0, 1, 1000);
	take(1000);
	t.ok(target.has('k', 1000));
	take(70_000);
	t.notOk(target.has('k', 70_000));
	t.equal(target.usedCount(), 0);
});

t.test('what is to be pushed is listed as changed here', async (t) => {
	const [target, share] = tables(2, true) as [StickTable, StickTable];
	target.updates.enable();
	const sum = target.newSum();
	const key = Buffer.from('k');
	share.addByKey('k', share.slot('http_req_cnt')!, 0, 1, 1000);
	target.beginSum(sum, key, key.length);
	share.addToSum(sum, 1000);
	target.learnSum(sum, 1000, false);
	const reader = target.updates.openReader('local');
	const view = target.newView();
	t.notOk(reader.next(view, 1000), 'only learned so far');
	target.learnSum(sum, 1000, true);
	t.ok(reader.next(view, 1000));
	t.equal(view.key, 'k');
});
