import t from 'tap';
import { buildServerMap } from '../../../lib/backend/balance/server-map.js';
import { ServerOperation } from '../../../lib/shared/server-state.js';
import { backendModel, CONSISTENT, MAP_BASED, pick, single, weighted } from '../support.js';

const keys = Array.from({ length: 500 }, (_, index) => `user-${index * 7919}`);
const make = (hashType = CONSISTENT) =>
	single(backendModel(weighted(5, 5, 5, 5), { algorithm: 'hdr', name: 'x-key', useDomainOnly: false }, { hashType }))
		.backend;
const picks = (backend: ReturnType<typeof make>) => keys.map((key) => pick(backend, { headers: { 'x-key': key } }));

t.test('consistent: only the keys of the server that is gone move, and they come back', async (t) => {
	const backend = make();
	const before = picks(backend);
	backend.states.setOperation(1, ServerOperation.DOWN, 0);
	const during = picks(backend);
	for (const [index, name] of before.entries()) {
		if (name === 's2') t.not(during[index], 's2');
		else t.equal(during[index], name);
	}
	backend.states.setOperation(1, ServerOperation.UP, 0);
	t.same(picks(backend), before);
});

t.test('consistent: a changed weight moves keys only to or from that server', async (t) => {
	const backend = make();
	const before = picks(backend);
	backend.states.setWeight(0, 10);
	const after = picks(backend);
	const moved = before.filter((name, index) => name !== after[index]);
	t.ok(moved.length > 0 && moved.length < 200, `${moved.length} moved`);
	for (const [index, name] of before.entries()) if (name !== after[index]) t.equal(after[index], 's1');
});

t.test('map-based: a weight that changes while the server is up has no effect, 0 has', async (t) => {
	const backend = make(MAP_BASED);
	const before = picks(backend);
	backend.states.setWeight(0, 10);
	t.same(picks(backend), before);
	backend.states.setWeight(0, 0);
	t.notOk(picks(backend).includes('s1'));
	backend.states.setWeight(0, 5);
	t.same(picks(backend), before);
});

t.test('the map of HAProxy 2.6', async (t) => {
	const map = (...weights: number[]) => [...buildServerMap(weights)].map((index) => index + 1).join('');
	t.equal(map(1, 2, 3), '132323');
	t.equal(map(3, 2, 1), '112123');
	t.equal(map(10, 100), '12222222222');
	t.equal(map(5, 1, 1), '1112113');
	t.equal(map(7, 3), '1112112112');
	t.equal(map(0, 0), '');
	t.equal(map(), '');
});
