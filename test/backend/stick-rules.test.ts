/** `stick` rules over a real table; order and messages were looked up with the binary. */
import t from 'tap';
import { type StickRule, StickRules, type StickStore, writeStores } from '../../lib/backend/stick-rules.js';
import type { StickTableModel } from '../../lib/config/model.js';
import type { StreamView } from '../../lib/sample/types.js';
import { ServerOperation } from '../../lib/shared/server-state.js';
import { StickTable } from '../../lib/stick-table/table.js';
import { backendModel, serverModel, single } from './support.js';

const NOW_MS = 5000;
const view = { nowMs: NOW_MS } as StreamView;

function table(fields: Partial<StickTableModel> = {}): StickTable {
	const model: StickTableModel = {
		place: { file: 'test.cfg', line: 1 },
		name: 'app',
		keyType: 'string',
		keyLengthBytes: 20,
		size: 100,
		expireMs: 10_000,
		nopurge: false,
		recvOnly: false,
		writeTo: undefined,
		srvkey: 'name',
		store: [
			{ type: 'server_id', periodMs: undefined, count: undefined },
			{ type: 'server_key', periodMs: undefined, count: undefined },
		],
		bratesFactor: 1,
		peers: undefined,
		...fields,
	};
	return new StickTable(model, StickTable.allocate(model));
}

function rule(kind: StickRule['kind'], of: StickTable, key: string | undefined, test = true): StickRule {
	return { kind, table: of, key: () => key, test: () => test };
}

const servers = () => [serverModel('s1'), serverModel('s2'), serverModel('s3', { nonStick: true })];
const make = () => single(backendModel(servers())).backend;

t.test('what was stored is matched, by name before number', async (t) => {
	const backend = make();
	const [s1, s2] = backend.servers;
	const known = table();
	const stores: StickStore[] = [];
	const rules = new StickRules([rule('on', known, 'ann')]);
	t.equal(rules.request(view, backend, false, stores), undefined);
	t.same(stores, [{ table: known, key: 'ann', fromResponse: false }]);
	writeStores(stores, s2!, NOW_MS);
	t.equal(rules.request(view, backend, false, []), s2);
	known.storeServer('ann', 2, 's1', NOW_MS);
	t.equal(rules.request(view, backend, false, []), s1, 'the name decides');
	known.storeServer('ann', 2, 'renamed', NOW_MS);
	t.equal(rules.request(view, backend, false, []), s2, 'else the number');
	known.storeServer('ann', 9, 'renamed', NOW_MS);
	t.equal(rules.request(view, backend, false, []), undefined);
});

t.test('srvkey addr keeps the address', async (t) => {
	const ipv6 = { kind: 'ip', address: '2001:db8::1', family: 6, port: 443 } as const;
	const { backend } = single(backendModel([serverModel('s1'), serverModel('s2', { address: ipv6 })]));
	const [s1, s2] = backend.servers;
	const known = table({ srvkey: 'addr' });
	for (const [server, text] of [
		[s1, '192.0.2.1:80'],
		[s2, '2001:db8::1:443'],
	] as const) {
		writeStores([{ table: known, key: 'k', fromResponse: false }], server!, NOW_MS);
		t.equal(known.serverKey('k', NOW_MS), text);
		t.equal(new StickRules([rule('match', known, 'k')]).request(view, backend, false, []), server);
	}
});

t.test('rules run in order: the first match counts, the first key of a table is kept', async (t) => {
	const backend = make();
	const [s1, s2] = backend.servers;
	const a = table();
	const b = table({ name: 'b' });
	a.storeServer('two', 2, 's2', NOW_MS);
	b.storeServer('one', 1, 's1', NOW_MS);
	const stores: StickStore[] = [];
	const found = new StickRules([
		rule('match', a, undefined),
		rule('on', a, 'one', false),
		rule('on', a, 'nothing yet'),
		rule('on', a, 'two'),
		rule('match', b, 'one'),
		rule('match', a, 'two'),
		rule('store-request', b, 'x'),
	]).request(view, backend, false, stores);
	t.equal(found, s1, 'a rule whose table has its key is not looked at at all, its match neither');
	t.same(
		stores.map((store) => [store.table, store.key]),
		[
			[a, 'nothing yet'],
			[b, 'x'],
		],
	);
	writeStores(stores, s2!, NOW_MS);
	t.equal(a.serverId('nothing yet', NOW_MS), 2);
	t.equal(b.serverKey('x', NOW_MS), 's2');
});

t.test('at most eight keys, of request and response together', async (t) => {
	const tables = Array.from({ length: 10 }, (_, index) => table({ name: `t${index}` }));
	const stores: StickStore[] = [];
	const rules = new StickRules([
		...tables.slice(0, 6).map((one) => rule('store-request', one, 'k')),
		...tables.slice(5).map((one) => rule('store-response', one, 'r')),
	]);
	t.ok(rules.looksAtResponses);
	rules.request(view, make(), false, stores);
	rules.response(view, stores);
	t.same(
		stores.map((store) => `${store.table.name} ${store.fromResponse}`),
		['t0 false', 't1 false', 't2 false', 't3 false', 't4 false', 't5 false', 't5 true', 't6 true'],
	);
});

t.test('a server that is down, and non-stick', async (t) => {
	const backend = make();
	const [s1, , s3] = backend.servers;
	const known = table();
	known.storeServer('ann', 1, 's1', NOW_MS);
	backend.states.setOperation(0, ServerOperation.DOWN, 0);
	const rules = new StickRules([rule('match', known, 'ann')]);
	t.equal(rules.request(view, backend, false, []), undefined);
	t.equal(rules.request(view, backend, true, []), s1, 'force-persist');
	const persisting = single(backendModel(servers(), undefined, { options: { persist: true } as never })).backend;
	persisting.states.setOperation(0, ServerOperation.DOWN, 0);
	t.equal(rules.request(view, persisting, false, []), persisting.servers[0], 'option persist');
	writeStores([{ table: known, key: 'bob', fromResponse: false }], s3!, NOW_MS);
	t.equal(known.serverId('bob', NOW_MS), undefined, 'non-stick');
});

t.test('a match prolongs the life of its entry, whatever becomes of the server', async (t) => {
	const backend = make();
	const known = table();
	known.storeServer('ann', 7, 'gone', NOW_MS);
	const later = { nowMs: NOW_MS + 9000 } as StreamView;
	t.equal(new StickRules([rule('match', known, 'ann')]).request(later, backend, false, []), undefined);
	t.equal(known.expireMs('ann', NOW_MS + 9000), 10_000);
});
