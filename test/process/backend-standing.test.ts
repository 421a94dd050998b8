import t from 'tap';
import { Backend } from '../../lib/backend/backend.js';
import { BackendStanding } from '../../lib/process/backend-standing.js';
import { CounterMemory } from '../../lib/shared/counters.js';
import { ServerAdmin, ServerOperation } from '../../lib/shared/server-state.js';
import { backendModel, serverModel, VirtualClock } from '../backend/support.js';

const shape = { objectCount: 1, threadCount: 1 };

t.test('a backend is down while none of its servers is usable', async (t) => {
	const clock = new VirtualClock();
	const model = backendModel([serverModel('a'), serverModel('b')]);
	const state = Backend.allocateState(model, 1, clock.monotonicMs());
	const backend = new Backend({ model, state, threadIndex: 0, threadCount: 1, clock, wake: () => {}, fullconn: 10 });
	const counters = new CounterMemory(shape, CounterMemory.allocate(shape), 0).object(0);
	let nowMs = 1000;
	const standing = new BackendStanding(new Map([['app', { backend, counters }]]), () => nowMs);
	const told = () => {
		standing.look('app');
		return [counters.total('chkdown'), counters.total('downtime')];
	};
	const { states } = backend;
	states.setOperation(0, ServerOperation.DOWN, nowMs);
	t.strictSame(told(), [0, 0], 'another is there');
	states.setWeight(1, 0);
	t.strictSame(told(), [1, 0]);
	t.strictSame(told(), [1, 0], 'counted once');
	nowMs += 2500;
	states.setWeight(1, 1);
	t.strictSame(told(), [1, 2]);
	states.setAdmin(1, ServerAdmin.FORCED_MAINT, nowMs);
	t.strictSame(told(), [2, 2]);
	nowMs += 1000;
	states.setOperation(0, ServerOperation.UP, nowMs);
	t.strictSame(told(), [2, 3]);
	standing.look('unknown');
});
