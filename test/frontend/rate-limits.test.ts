import t from 'tap';
import { NO_RATE_LIMITS, ProcessRates, tlsTotals } from '../../lib/frontend/rate-limits.js';
import { CounterMemory } from '../../lib/shared/counters.js';

const shape = { objectCount: 1, threadCount: 2 };

function newRates(limits: Partial<typeof NO_RATE_LIMITS> = {}) {
	const buffer = CounterMemory.allocate(shape);
	const [one, two] = [0, 1].map(
		(thread) => new ProcessRates(new CounterMemory(shape, buffer, thread).object(0), { ...NO_RATE_LIMITS, ...limits }),
	);
	return { one: one!, two: two!, counters: new CounterMemory(shape, buffer, 0).object(0) };
}

t.test('connections of all threads together', (t) => {
	const { one, two } = newRates({ connections: 3 });
	for (const rates of [one, two, one]) {
		t.notOk(two.isOver(1000, false));
		rates.connected(1000, false);
	}
	t.ok(one.isOver(1000, false));
	t.ok(two.isOver(1001, true));
	t.notOk(two.isOver(3000, false), 'a second later there is room again');
	one.limits = NO_RATE_LIMITS;
	t.notOk(one.isOver(1001, false), 'no limit from now on');
	t.end();
});

t.test('sessions, and TLS', (t) => {
	const { one, counters } = newRates({ sessions: 1, tls: 2 });
	one.sessionBegan(1000);
	t.ok(one.isOver(1000, false));
	one.limits = { ...NO_RATE_LIMITS, tls: 2 };
	one.connected(1000, true);
	one.connected(1000, true);
	t.ok(one.isOver(1000, true));
	t.notOk(one.isOver(1000, false), 'others may come');
	one.disconnected(true);
	one.disconnected(false);
	t.strictSame(tlsTotals(counters, 1000), { current: 1, total: 2, rate: 2, rateMax: 2 });
	t.end();
});

t.test('what nobody limits is not counted but for TLS', (t) => {
	const { one, counters } = newRates();
	one.connected(1000, false);
	one.sessionBegan(1000);
	t.equal(counters.rate('connection', 1000), 0);
	t.equal(counters.rate('session', 1000), 0);
	one.connected(1000, true);
	t.equal(tlsTotals(counters, 1000).total, 1);
	t.end();
});
