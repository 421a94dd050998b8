import fc from 'fast-check';
import t from 'tap';
import { IdlePool, type IdlePoolOptions, type ReuseMode } from '../../lib/backend/pool.js';
import { VirtualClock } from './support.js';

class FakeConnection {
	closed = false;
	readonly name: string;

	constructor(name: string) {
		this.name = name;
	}

	close(): void {
		if (this.closed) throw new Error(`${this.name} was closed twice`);
		this.closed = true;
	}
}

function make(fields: Partial<IdlePoolOptions> = {}) {
	const clock = new VirtualClock();
	const shared = { value: 0 };
	const pool = new IdlePool<FakeConnection>({
		reuse: 'safe',
		maxIdle: -1,
		purgeDelayMs: 5000,
		maxReuse: -1,
		clock,
		sharedIdle: {
			count: () => shared.value,
			add: (amount) => {
				shared.value += amount;
				return shared.value;
			},
		},
		...fields,
	});
	return { pool, clock, shared };
}

const connections = (count: number) => Array.from({ length: count }, (_, index) => new FakeConnection(`c${index}`));

t.test('which idle connection a request may have, by http-reuse', async (t) => {
	/** mode, first request?, gets a connection used once, gets one that was reused before */
	const rows: readonly (readonly [ReuseMode, boolean, boolean, boolean])[] = [
		['never', true, false, false],
		['never', false, false, false],
		['safe', true, false, false],
		['safe', false, true, true],
		['aggressive', true, false, true],
		['aggressive', false, true, true],
		['always', true, true, true],
		['always', false, true, true],
	];
	for (const [reuse, isFirst, fresh, proven] of rows) {
		const one = make({ reuse });
		one.pool.put(new FakeConnection('c'));
		t.equal(one.pool.take(isFirst) !== undefined, fresh, `${reuse}, first ${isFirst}, used once`);
		const two = make({ reuse });
		const connection = new FakeConnection('c');
		two.pool.noteReuse(connection);
		two.pool.put(connection);
		t.equal(two.pool.take(isFirst) !== undefined, proven, `${reuse}, first ${isFirst}, reused`);
	}
});

t.test('the last one used is taken first, proven ones before others', async (t) => {
	const { pool } = make({ reuse: 'always' });
	const [a, b, c] = connections(3) as [FakeConnection, FakeConnection, FakeConnection];
	for (const one of [a, b, c]) pool.put(one);
	t.equal(pool.take(false), c);
	pool.put(c);
	pool.put(new FakeConnection('d'));
	t.equal(pool.take(false), c, 'it has proved that it can be reused');
});

t.test('pool-max-conn over all threads, 0 keeps none', async (t) => {
	const { pool, shared } = make({ maxIdle: 2 });
	const [a, b] = connections(2) as [FakeConnection, FakeConnection];
	t.ok(pool.put(a));
	shared.value++; // another thread's
	t.notOk(pool.put(b));
	t.same(pool.census(), { busy: 0, fresh: 1, proven: 0 });
	t.notOk(make({ maxIdle: 0 }).pool.put(a));
	t.notOk(make({ purgeDelayMs: 0 }).pool.put(a));
});

t.test('max-reuse', async (t) => {
	const { pool } = make({ reuse: 'always', maxReuse: 2 });
	const connection = new FakeConnection('c');
	t.ok(pool.put(connection));
	t.equal(pool.take(false), connection);
	t.notOk(pool.isSpent(connection));
	t.ok(pool.put(connection));
	t.equal(pool.take(false), connection);
	t.ok(pool.isSpent(connection), 'three requests');
	t.notOk(pool.put(connection));
	t.notOk(make({ maxReuse: 0 }).pool.put(connection), '0 disables keep-alive');
});

t.test('half of what nobody needed is closed each pool-purge-delay, the oldest first', async (t) => {
	const { pool, clock } = make({ reuse: 'always' });
	const all = connections(8);
	for (const one of all) pool.put(one);
	clock.advance(5000);
	t.equal(pool.idleCount, 8, 'all of them were in use at the start of this period');
	clock.advance(5000);
	t.same(
		all.map((one) => one.closed),
		[true, true, true, true, false, false, false, false],
	);
	const taken = [pool.take(false), pool.take(false), pool.take(false)];
	for (const one of taken) if (one !== undefined) pool.put(one);
	clock.advance(5000);
	t.equal(pool.idleCount, 3, 'three of four were needed: half of one, rounded up');
	clock.advance(60_000);
	t.equal(pool.idleCount, 0);
	t.equal(clock.timerCount, 0, 'no timer while nothing is idle');
});

t.test('closeAll and a second put', async (t) => {
	const { pool, clock, shared } = make();
	const [a, b] = connections(2) as [FakeConnection, FakeConnection];
	pool.put(a);
	t.throws(() => pool.put(a), /twice/);
	pool.put(b);
	pool.closeAll();
	t.ok(a.closed && b.closed);
	t.equal(shared.value, 0);
	t.equal(clock.timerCount, 0);
});

t.test('no more are kept than were in use at one moment', async (t) => {
	const { pool, clock, shared } = make({ reuse: 'safe' });
	// One client after the other, each with one request, for which there is no idle connection.
	for (const one of connections(50)) {
		t.equal(pool.take(true), undefined);
		pool.opened(one);
		pool.put(one);
	}
	t.equal(shared.value, 1, 'one was in use at a time');

	const many = connections(8);
	for (const one of many) pool.opened(one);
	t.same(pool.census(), { busy: 8, fresh: 1, proven: 0 });
	t.same(
		many.map((one) => pool.put(one)),
		[false, true, true, true, true, true, true, true],
		'eight at once: one of them is spare, since one was there',
	);
	t.equal(shared.value, 8);

	// What is needed is forgotten by halves while nobody comes, and the idle ones go as ever.
	for (let round = 0; round < 8; round++) clock.advance(5000);
	t.equal(shared.value, 0);
	for (const one of connections(4)) {
		pool.opened(one);
		pool.put(one);
	}
	t.ok(shared.value <= 4);
});

t.test('each connection is in exactly one state, whatever happens', async (t) => {
	const step = fc.oneof(
		fc.record({ kind: fc.constantFrom('put', 'drop', 'reuse'), which: fc.nat(11) }),
		fc.record({ kind: fc.constantFrom('takeFirst', 'takeNext', 'tick'), which: fc.constant(0) }),
	);
	fc.assert(
		fc.property(
			fc.constantFrom<ReuseMode>('never', 'safe', 'aggressive', 'always'),
			fc.array(step, { maxLength: 80 }),
			(reuse, steps) => {
				const { pool, clock, shared } = make({ reuse, maxIdle: 6, maxReuse: 5 });
				const all = connections(12);
				/** What the pool must believe. */
				const states = new Map<FakeConnection, 'out' | 'busy' | 'idle'>(all.map((one) => [one, 'out']));
				for (const { kind, which } of steps) {
					const one = all[which] as FakeConnection;
					if (kind === 'put' && !one.closed && states.get(one) !== 'idle')
						states.set(one, pool.put(one) ? 'idle' : 'out');
					else if (kind === 'drop') {
						pool.drop(one);
						states.set(one, 'out');
					} else if (kind === 'reuse' && states.get(one) === 'busy') pool.noteReuse(one);
					else if (kind === 'tick') clock.advance(5000);
					else if (kind.startsWith('take')) {
						const taken = pool.take(kind === 'takeFirst');
						if (taken !== undefined) {
							if (states.get(taken) !== 'idle' || taken.closed) return false;
							states.set(taken, 'busy');
						}
					}
					for (const [connection, state] of states)
						if (connection.closed && state === 'idle') states.set(connection, 'out');
					const count = (wanted: string) => [...states.values()].filter((state) => state === wanted).length;
					const { busy, fresh, proven } = pool.census();
					if (fresh + proven !== count('idle') || busy !== count('busy') || shared.value !== fresh + proven)
						return false;
					if (shared.value > 6) return false;
				}
				return true;
			},
		),
		{ seed: 4711, numRuns: 300 },
	);
	t.pass('300 runs with seed 4711');
});
