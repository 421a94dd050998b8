/**
 * Slots and queues over several threads that share one memory, in one process and on virtual time: the
 * test says when a wake-up arrives, so every order of events can be had. After each step the invariants
 * of `slots.ts` hold; at the end nothing is left.
 */
import fc from 'fast-check';
import t from 'tap';
import type { Backend } from '../../lib/backend/backend.js';
import type { Server } from '../../lib/backend/server.js';
import { ServerAdmin, ServerOperation } from '../../lib/shared/server-state.js';
import { backendModel, CONSISTENT, FakeRequest, nameOf, serverModel, single, threads } from './support.js';

const full = (maxconn: number, count = 1, fields = {}) =>
	Array.from({ length: count }, (_, index) => serverModel(`s${index + 1}`, { maxconn, ...fields }));

function ask(backend: Backend, fields: Partial<FakeRequest> = {}): FakeRequest {
	const request = Object.assign(new FakeRequest(), fields);
	const choice = backend.choose(request);
	if (typeof choice !== 'string') request.serverAssigned(choice);
	else request.events.push(choice);
	return request;
}

t.test('requests wait and are served in order', async (t) => {
	const { backend, clock } = single(backendModel(full(1)));
	const [server] = backend.servers as [Server];
	const first = ask(backend);
	const second = ask(backend);
	clock.advance(1);
	const third = ask(backend);
	t.equal(first.server, server);
	t.same([second.backendQueuePosition, third.backendQueuePosition], [1, 2]);
	t.equal(backend.queuedCount(), 2);
	backend.release(server);
	t.same([second.events, third.events], [['queued', 'assigned s1'], ['queued']]);
	t.equal(server.currentSessions(), 1, 'the slot went from hand to hand');
	backend.release(server);
	t.equal(third.server, server);
	backend.release(server);
	t.equal(server.currentSessions(), 0);
	t.equal(backend.queuedCount(), 0);
	t.equal(backend.states.currentMax(0), 1);
});

t.test('priority decides who is next, over threads too', async (t) => {
	const { backends, deliverWakes } = threads(2, backendModel(full(1)));
	const [a, b] = backends as [Backend, Backend];
	const holder = ask(a);
	const low = ask(a, { priorityClass: 5 });
	const high = ask(b, { priorityClass: -5 });
	a.release(holder.server as Server);
	t.equal(low.server, undefined);
	t.equal(high.server, undefined, 'its thread has not been woken yet');
	t.equal(a.servers[0]?.currentSessions(), 1, 'but the slot is taken for it');
	deliverWakes();
	t.equal(high.server?.name, 's1');
	b.release(high.server as Server);
	deliverWakes();
	t.equal(low.server?.name, 's1');
});

t.test('a grant whose request has left goes to the next, on any thread', async (t) => {
	const { backends, deliverWakes } = threads(2, backendModel(full(1)));
	const [a, b] = backends as [Backend, Backend];
	const holder = ask(a);
	const leaver = ask(b);
	const next = ask(a, { priorityClass: 1 });
	a.release(holder.server as Server);
	t.ok(b.cancelQueued(leaver), 'the client goes while the wake-up is under way');
	t.notOk(b.cancelQueued(leaver));
	deliverWakes();
	t.equal(leaver.server, undefined);
	t.equal(next.server?.name, 's1');
	a.release(next.server as Server);
	t.equal(a.servers[0]?.currentSessions(), 0);
	t.equal(a.queuedCount(), 0);
});

t.test('a slot that is given back between the choice and the wait is not missed', async (t) => {
	const { backends, deliverWakes } = threads(2, backendModel(full(1), { algorithm: 'static-rr' }));
	const [a, b] = backends as [Backend, Backend];
	const holder = ask(a);
	const { states } = b;
	const lock = states.lock.bind(states);
	states.lock = () => {
		// The first lock that b takes is the one of its enqueuing: a releases just before.
		states.lock = lock;
		a.release(holder.server as Server);
		lock();
	};
	const waiting = ask(b);
	deliverWakes();
	t.equal(waiting.server?.name, 's1', 'a saw nobody waiting, so b has to look again itself');
	t.equal(states.current(0), 1);
});

t.test('a request bound to a server waits for that one, and goes before those who wait for any', async (t) => {
	const { backend } = single(backendModel(full(1, 2)));
	const [one, two] = backend.servers as [Server, Server];
	const holders = [ask(backend), ask(backend)];
	t.same(
		holders.map((request) => request.server?.name),
		['s1', 's2'],
	);
	const bound = ask(backend, { persistentServer: two });
	const any = ask(backend);
	t.equal(two.queuedCount(), 1);
	t.equal(bound.serverQueuePosition, 1);
	backend.release(two);
	t.equal(bound.server, two);
	t.equal(any.server, undefined);
	backend.release(one);
	t.equal(any.server, one);
});

t.test('maxqueue: the next bound request is refused, or goes elsewhere with option redispatch', async (t) => {
	const make = (redispatch: number | undefined) =>
		single(
			backendModel(full(1, 2, { maxqueue: 1 }), undefined, {
				options: { allbackups: false, persist: false, redispatch } as never,
			}),
		).backend;
	for (const redispatch of [undefined, -1]) {
		const backend = make(redispatch);
		const [one, two] = backend.servers as [Server, Server];
		t.equal(ask(backend, { persistentServer: one }).server, one);
		t.same(ask(backend, { persistentServer: one }).events, ['queued']);
		const third = ask(backend, { persistentServer: one });
		if (redispatch === undefined) t.same(third.events, ['none']);
		else t.equal(third.server, two);
	}
});

/** What HAProxy 2.6.12 does with four requests of one key and two servers of maxconn 1: queues after each. */
t.test('where requests wait, by algorithm', async (t) => {
	const header = { algorithm: 'hdr', name: 'host', useDomainOnly: false } as const;
	const rows = [
		['map-based', { balance: header }, 0, 'server 3, backend 0, refused 0'],
		['consistent', { balance: header, hashType: CONSISTENT }, 0, 'server 3, backend 0, refused 0'],
		['roundrobin', { balance: { algorithm: 'roundrobin' } }, 0, 'server 0, backend 2, refused 0'],
		['leastconn', { balance: { algorithm: 'leastconn' } }, 0, 'server 0, backend 2, refused 0'],
		['random', { balance: { algorithm: 'random', draws: 2 } }, 0, 'server 0, backend 2, refused 0'],
		['leastconn, maxqueue 1', { balance: { algorithm: 'leastconn' } }, 1, 'server 2, backend 0, refused 0'],
		['map-based, maxqueue 1', { balance: header }, 1, 'server 1, backend 0, refused 2'],
	] as const;
	for (const [name, fields, maxqueue, expected] of rows) {
		const { backend } = single(
			backendModel(full(1, 2, { maxqueue }), fields.balance, 'hashType' in fields ? { hashType: fields.hashType } : {}),
		);
		const requests = [1, 2, 3, 4].map(() => ask(backend));
		const inServers = backend.servers.reduce((sum, server) => sum + server.queuedCount(), 0);
		const refused = requests.filter((request) => request.events.includes('none')).length;
		t.equal(`server ${inServers}, backend ${backend.states.queued(0)}, refused ${refused}`, expected, name);
	}
});

t.test('minconn: the limit follows the load of the backend up to fullconn', async (t) => {
	const { backend } = single(backendModel(full(10, 1, { minconn: 2 })), { fullconn: 20 });
	const room = () => {
		const taken: Server[] = [];
		for (;;) {
			const request = new FakeRequest();
			const choice = backend.choose(request);
			if (typeof choice === 'string') {
				backend.cancelQueued(request);
				break;
			}
			taken.push(choice);
		}
		for (const server of taken) backend.release(server);
		return taken.length;
	};
	const limits: number[] = [];
	for (let load = 0; load <= 24; load += 4) {
		limits.push(room());
		for (let i = 0; i < 4; i++) backend.streamStarted();
	}
	t.same(limits, [2, 2, 4, 6, 8, 10, 10]);
});

t.test('timeout queue, by one timer', async (t) => {
	const { backend, clock } = single(backendModel(full(1), undefined, { timeouts: { queueMs: 1000 } as never }));
	const holder = ask(backend);
	const waiting = [ask(backend), ask(backend)];
	t.equal(clock.timerCount, 1);
	clock.advance(500);
	const later = ask(backend);
	clock.advance(480);
	t.same(
		waiting.map((request) => request.events),
		[['queued'], ['queued']],
	);
	clock.advance(40);
	t.same(
		waiting.map((request) => request.events),
		[
			['queued', 'timed out'],
			['queued', 'timed out'],
		],
	);
	t.same(later.events, ['queued']);
	backend.release(holder.server as Server);
	t.equal(later.server?.name, 's1');
	clock.advance(100);
	t.equal(clock.timerCount, 0, 'no timer while nobody waits');
	t.equal(backend.queuedCount(), 0);
});

t.test('without timeout queue, timeout connect is the limit', async (t) => {
	const { backend, clock } = single(backendModel(full(1), undefined, { timeouts: { connectMs: 300 } as never }));
	ask(backend);
	const waiting = ask(backend);
	clock.advance(400);
	t.same(waiting.events, ['queued', 'timed out']);
});

t.test(
	'requests that wait for a server that goes down are told; a server that comes up takes from the queue',
	async (t) => {
		const { backends, clock, deliverWakes } = threads(2, backendModel(full(1, 2)));
		const [a, b] = backends as [Backend, Backend];
		const [one] = a.servers as [Server, Server];
		ask(a);
		ask(a);
		const bound = ask(a, { persistentServer: one });
		const any = ask(b);
		b.states.setOperation(0, ServerOperation.DOWN, 0);
		clock.advance(40);
		t.same(bound.events, ['queued', 'lost']);
		t.same(any.events, ['queued']);
		b.states.setOperation(1, ServerOperation.DOWN, 0);
		clock.advance(40);
		t.same(any.events, ['queued', 'lost'], 'nobody is left to wait for');
		t.equal(a.queuedCount(), 0);

		b.states.setAdmin(0, ServerAdmin.FORCED_MAINT, 0);
		b.states.setOperation(0, ServerOperation.UP, 0);
		b.states.setOperation(1, ServerOperation.UP, 0);
		const waiting = ask(b);
		t.same(waiting.events, ['queued'], 's2 is full');
		a.release(one);
		b.states.setAdmin(0, 0, 0);
		clock.advance(40);
		deliverWakes();
		t.equal(waiting.server?.name, 's1');
	},
);

t.test('a raised maxconn lets waiting requests in', async (t) => {
	const { backend, clock } = single(backendModel(full(1)));
	ask(backend);
	const waiting = ask(backend);
	backend.states.setMaxconn(0, 2);
	clock.advance(40);
	t.equal(waiting.server?.name, 's1');
});

t.test('force-persist and option persist go to a server that is down', async (t) => {
	const { backend } = single(backendModel(full(1, 2)));
	const [one] = backend.servers as [Server];
	backend.states.setOperation(0, ServerOperation.DOWN, 0);
	t.equal(ask(backend, { persistentServer: one }).server?.name, 's2');
	t.equal(ask(backend, { persistentServer: one, forcePersist: true }).server?.name, 's1');
	const other = single(backendModel(full(1, 2), undefined, { options: { allbackups: false, persist: true } as never }));
	other.backend.states.setOperation(0, ServerOperation.DOWN, 0);
	t.equal(ask(other.backend, { persistentServer: other.backend.servers[0] }).server?.name, 's1');
});

t.test('a draining server keeps its bound clients', async (t) => {
	const { backend } = single(backendModel(full(0, 2)));
	backend.states.setAdmin(0, ServerAdmin.FORCED_DRAIN, 0);
	t.equal(ask(backend, { persistentServer: backend.servers[0] }).server?.name, 's1');
	t.equal(nameOf(backend.choose(new FakeRequest())), 's2');
});

interface Step {
	readonly kind: string;
	readonly thread: number;
	readonly which: number;
	readonly priority: number;
}

t.test('invariants under any order of events on three threads', async (t) => {
	const step: fc.Arbitrary<Step> = fc.record({
		kind: fc.constantFrom(
			'ask',
			'ask',
			'ask',
			'askBound',
			'release',
			'release',
			'cancel',
			'deliver',
			'deliver',
			'tick',
			'flip',
		),
		thread: fc.nat(2),
		which: fc.nat(50),
		priority: fc.integer({ min: -2, max: 2 }),
	});
	fc.assert(
		fc.property(fc.array(step, { minLength: 10, maxLength: 120 }), fc.integer({ min: 1, max: 3 }), (steps, maxconn) => {
			const model = backendModel(full(maxconn, 2), undefined, { timeouts: { queueMs: 200 } as never });
			const { backends, clock, pendingWakes, deliverWakes } = threads(3, model);
			const all: { request: FakeRequest; thread: number; left: boolean }[] = [];
			const waits = (one: (typeof all)[number]) => one.request.queueTicket !== undefined;
			const holds = (one: (typeof all)[number]) => one.request.server !== undefined && !one.left;
			const states = (backends[0] as Backend).states;
			for (const { kind, thread, which, priority } of steps) {
				const backend = backends[thread] as Backend;
				if (kind.startsWith('ask')) {
					const persistentServer = kind === 'askBound' ? backend.servers[which % 2] : undefined;
					all.push({ request: ask(backend, { persistentServer, priorityClass: priority }), thread, left: false });
				} else if (kind === 'release') {
					const one = all.filter(holds)[which % Math.max(1, all.filter(holds).length)];
					if (one !== undefined) {
						one.left = true;
						(backends[one.thread] as Backend).release(one.request.server as Server);
					}
				} else if (kind === 'cancel') {
					const one = all.filter(waits)[which % Math.max(1, all.filter(waits).length)];
					if (one !== undefined) (backends[one.thread] as Backend).cancelQueued(one.request);
				} else if (kind === 'deliver') {
					if (pendingWakes.delete(thread)) backend.collectSlots();
				} else if (kind === 'tick') clock.advance(30);
				else
					states.setOperation(
						which % 2,
						states.operation(which % 2) === ServerOperation.UP ? ServerOperation.DOWN : ServerOperation.UP,
						0,
					);
				for (let server = 0; server < 2; server++) {
					const held = all.filter((one) => holds(one) && one.request.server?.index === server).length;
					if (states.current(server) > maxconn)
						throw new Error(`${kind}: s${server + 1} has ${states.current(server)}`);
					if (states.current(server) < held) throw new Error(`${kind}: a slot is held twice`);
				}
				const queued = states.queued(0) + states.queued(1) + states.queued(2);
				if (queued !== all.filter(waits).length) throw new Error(`${kind}: ${queued} queued`);
			}
			// All go home: whoever waits is served in the end, and no slot stays taken.
			for (let server = 0; server < 2; server++) states.setOperation(server, ServerOperation.UP, 0);
			for (const backend of backends) backend.stateChanged();
			deliverWakes();
			for (let round = 0; round < 1000 && all.some((one) => holds(one) || waits(one)); round++) {
				if (!all.some(holds)) throw new Error('requests wait while all slots are free');
				for (const one of all.filter(holds)) {
					one.left = true;
					(backends[one.thread] as Backend).release(one.request.server as Server);
				}
				deliverWakes();
			}
			return states.current(0) === 0 && states.current(1) === 0 && states.served() === 0 && states.queued(0) === 0;
		}),
		{ seed: 31337, numRuns: 400 },
	);
	t.pass('400 runs with seed 31337');
});
