import fc from 'fast-check';
import t from 'tap';
import { LocalQueues, priorityKey, type QueueTicket } from '../../lib/backend/queue.js';
import { FakeRequest } from './support.js';

function request(priorityClass = 0, priorityOffsetMs = 0): FakeRequest {
	const one = new FakeRequest();
	one.priorityClass = priorityClass;
	one.priorityOffsetMs = priorityOffsetMs;
	return one;
}

function drain(queues: LocalQueues, queue: number): QueueTicket[] {
	const order: QueueTicket[] = [];
	for (let head = queues.head(queue); head !== undefined; head = queues.head(queue)) {
		queues.remove(head);
		order.push(head);
	}
	return order;
}

t.test('class first, then time and offset, then arrival', async (t) => {
	const queues = new LocalQueues(1);
	const named = new Map<FakeRequest, string>();
	const add = (name: string, one: FakeRequest, nowMs: number) => {
		named.set(one, name);
		queues.add(one, 0, nowMs);
	};
	add('a', request(), 100);
	add('b', request(), 100);
	add('later but ahead by its offset', request(0, -50), 120);
	add('low class', request(1, -524287), 1);
	add('high class', request(-2047, 524287), 900);
	add('behind by its offset', request(0, 1), 100);
	t.same(
		drain(queues, 0).map((ticket) => named.get(ticket.request as FakeRequest)),
		['high class', 'later but ahead by its offset', 'a', 'b', 'behind by its offset', 'low class'],
	);
	t.equal(queues.headKey(0), Number.POSITIVE_INFINITY);
});

t.test('keys are exact for the extremes of class, offset and clock', async (t) => {
	const lateMs = 2 ** 41 - 524288;
	t.ok(priorityKey(-2047, 524287, lateMs) < priorityKey(-2046, -524287, 524288));
	t.ok(priorityKey(2047, 0, lateMs) < priorityKey(2047, 1, lateMs));
	t.ok(Number.isSafeInteger(priorityKey(2047, 524287, lateMs)));
});

t.test('a request leaves once, from anywhere; the oldest is known', async (t) => {
	const queues = new LocalQueues(3);
	const tickets = [0, 1, 2, 0, 1].map((queue, at) => queues.add(request(), queue, at));
	t.equal(queues.oldest(), tickets[0]);
	t.ok(queues.remove(tickets[0] as QueueTicket));
	t.notOk(queues.remove(tickets[0] as QueueTicket));
	t.equal(queues.oldest(), tickets[1]);
	t.equal(queues.count, 4);
	t.equal(queues.length(1), 2);
	t.throws(() => queues.add(request(), 3, 0), RangeError);
});

t.test('the heap against a sorted list', async (t) => {
	fc.assert(
		fc.property(
			fc.array(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -9, max: 9 }), fc.nat(9)), {
				maxLength: 60,
			}),
			(steps) => {
				const queues = new LocalQueues(1);
				let model: QueueTicket[] = [];
				for (const [at, [priorityClass, offset, removed]] of steps.entries()) {
					model.push(queues.add(request(priorityClass, offset), 0, at));
					if (removed < 4) {
						const [out] = model.splice(removed % model.length, 1);
						if (!queues.remove(out as QueueTicket)) return false;
					}
					model = model.sort((a, b) => a.key - b.key || a.sequence - b.sequence);
					if (queues.head(0) !== model[0] || queues.length(0) !== model.length) return false;
				}
				const order = drain(queues, 0);
				return order.every((ticket, index) => ticket === model[index]) && order.length === model.length;
			},
		),
		{ seed: 99, numRuns: 300 },
	);
	t.pass('300 runs with seed 99');
});
