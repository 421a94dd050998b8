/** What holds for every algorithm; what is special to one stands in its own file. */
import t from 'tap';
import type { Backend } from '../../../lib/backend/backend.js';
import type { BalanceModel, HashTypeModel } from '../../../lib/config/model.js';
import { ServerAdmin, ServerOperation } from '../../../lib/shared/server-state.js';
import {
	backendModel,
	CONSISTENT,
	FakeRequest,
	MAP_BASED,
	nameOf,
	pick,
	serverModel,
	single,
	weighted,
} from '../support.js';

interface Kind {
	readonly name: string;
	readonly balance: BalanceModel;
	readonly hashType?: HashTypeModel;
	/** `first` ignores weights. */
	readonly honoursWeights: boolean;
}

const header: BalanceModel = { algorithm: 'hdr', name: 'x-key', useDomainOnly: false };
const KINDS: readonly Kind[] = [
	{ name: 'roundrobin', balance: { algorithm: 'roundrobin' }, honoursWeights: true },
	{ name: 'static-rr', balance: { algorithm: 'static-rr' }, honoursWeights: true },
	{ name: 'leastconn', balance: { algorithm: 'leastconn' }, honoursWeights: false },
	{ name: 'first', balance: { algorithm: 'first' }, honoursWeights: false },
	{ name: 'random(1)', balance: { algorithm: 'random', draws: 1 }, honoursWeights: true },
	{ name: 'random(2)', balance: { algorithm: 'random', draws: 2 }, honoursWeights: false },
	{ name: 'hdr map-based', balance: header, hashType: MAP_BASED, honoursWeights: true },
	{ name: 'hdr consistent', balance: header, hashType: CONSISTENT, honoursWeights: true },
	{ name: 'source', balance: { algorithm: 'source' }, hashType: CONSISTENT, honoursWeights: true },
];

/** The same figures in each run; the seed is in the name of the test that uses it. */
function seeded(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let value = Math.imul(state ^ (state >>> 15), state | 1);
		value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
		return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
	};
}

const SEED = 20260304;

function run(backend: Backend, count: number, random: () => number): Map<string, number> {
	const counts = new Map<string, number>();
	for (let i = 0; i < count; i++) {
		const value = Math.floor(random() * 2 ** 32);
		const source = `10.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
		const name = pick(backend, { headers: { 'x-key': `user-${value.toString(36)}` }, source });
		counts.set(name, (counts.get(name) ?? 0) + 1);
	}
	return counts;
}

for (const kind of KINDS) {
	const make = (servers = weighted(1, 2, 3, 4)) =>
		single(backendModel(servers, kind.balance, { hashType: kind.hashType ?? MAP_BASED }), { random: seeded(SEED) })
			.backend;

	t.test(
		`${kind.name}: shares follow the weights (seed ${SEED})`,
		{ skip: !kind.honoursWeights && 'weights mean something else here' },
		async (t) => {
			const weights = [10, 20, 30, 40];
			const counts = run(make(weighted(...weights)), 20_000, seeded(SEED));
			for (const [index, weight] of weights.entries()) {
				const share = (counts.get(`s${index + 1}`) ?? 0) / 20_000;
				t.ok(Math.abs(share - weight / 100) < 0.035, `s${index + 1} has ${share} for weight ${weight} of 100`);
			}
		},
	);

	t.test(`${kind.name}: only usable servers with a weight`, async (t) => {
		const backend = make(weighted(1, 0, 1, 1));
		backend.states.setAdmin(0, ServerAdmin.FORCED_DRAIN, 0);
		backend.states.setOperation(2, ServerOperation.DOWN, 0);
		t.same([...run(backend, 200, seeded(1)).keys()], ['s4']);
		backend.states.setOperation(2, ServerOperation.STOPPING, 0);
		t.same([...run(backend, 200, seeded(1)).keys()], ['s4'], 'a stopping server takes no new clients');
		backend.states.setOperation(2, ServerOperation.UP, 0);
		backend.states.setOperation(3, ServerOperation.DOWN, 0);
		t.same([...run(backend, 200, seeded(1)).keys()], ['s3']);
	});

	t.test(`${kind.name}: survives all down and comes back`, async (t) => {
		const backend = make();
		for (let i = 0; i < 4; i++) backend.states.setOperation(i, ServerOperation.DOWN, 0);
		t.same([...run(backend, 20, seeded(2)).keys()], ['none']);
		backend.states.setOperation(1, ServerOperation.UP, 0);
		t.same([...run(backend, 20, seeded(2)).keys()], ['s2']);
	});

	t.test(`${kind.name}: backup servers serve when no other can`, async (t) => {
		const servers = [serverModel('s1'), serverModel('s2', { backup: true }), serverModel('s3', { backup: true })];
		const backend = make(servers);
		t.same([...run(backend, 50, seeded(3)).keys()], ['s1']);
		backend.states.setOperation(0, ServerOperation.DOWN, 0);
		t.same([...run(backend, 50, seeded(3)).keys()], ['s2'], 'the first only');
		backend.states.setOperation(1, ServerOperation.DOWN, 0);
		t.same([...run(backend, 50, seeded(3)).keys()], ['s3']);
		backend.states.setOperation(0, ServerOperation.UP, 0);
		t.same([...run(backend, 50, seeded(3)).keys()], ['s1']);
	});

	t.test(`${kind.name}: the failed server is avoided if there is another`, async (t) => {
		const backend = make(weighted(1, 1));
		const failed = backend.servers[0];
		for (let i = 0; i < 50; i++) {
			const choice = backend.choose(new FakeRequest({ headers: { 'x-key': `k${i}` }, source: `10.0.0.${i}` }), failed);
			t.equal(nameOf(choice), 's2');
			if (typeof choice !== 'string') backend.release(choice);
		}
		backend.states.setOperation(1, ServerOperation.DOWN, 0);
		t.equal(nameOf(backend.choose(new FakeRequest(), failed)), 's1', 'nobody else is left');
	});

	t.test(`${kind.name}: no slots leak, and no server goes over its maxconn`, async (t) => {
		const random = seeded(4);
		const backend = make([1, 2, 3].map((n) => serverModel(`s${n}`, { maxconn: 2 })));
		const requests: FakeRequest[] = [];
		for (let i = 0; i < 400; i++) {
			if (random() < 0.55 || requests.length === 0) {
				const request = new FakeRequest({ headers: { 'x-key': `k${Math.floor(random() * 30)}` } });
				const choice = backend.choose(request);
				if (typeof choice !== 'string') request.server = choice;
				else if (choice === 'none') throw new Error('none');
				requests.push(request);
			} else {
				const at = Math.floor(random() * requests.length);
				const [request] = requests.splice(at, 1) as [FakeRequest];
				if (request.server !== undefined) backend.release(request.server);
				else backend.cancelQueued(request);
			}
			for (const server of backend.servers) {
				const held = requests.filter((request) => request.server === server).length;
				if (server.currentSessions() !== held || held > 2)
					throw new Error(`step ${i}: ${held} of ${server.currentSessions()}`);
			}
		}
		for (const request of requests.splice(0)) {
			if (request.server === undefined) backend.cancelQueued(request);
		}
		t.equal(backend.queuedCount(), 0);
	});
}

t.test('option allbackups: all backups by their weights', async (t) => {
	const servers = [serverModel('s1'), serverModel('s2', { backup: true }), serverModel('s3', { backup: true })];
	const { backend } = single(
		backendModel(servers, undefined, { options: { allbackups: true, persist: false } as never }),
	);
	backend.states.setOperation(0, ServerOperation.DOWN, 0);
	t.same([pick(backend), pick(backend), pick(backend)], ['s2', 's3', 's2']);
	t.equal(backend.usableServerCount(), 2);
	t.equal(backend.usableWeight(), 2);
});
