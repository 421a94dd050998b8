import t from 'tap';
import { StreamNumbers } from '../../../lib/http/h2/stream-numbers.js';

t.test('what a number tells', async (t) => {
	const numbers = new StreamNumbers(true);
	t.ok(numbers.isOfPeer(1));
	t.notOk(numbers.isOfPeer(2));
	t.ok(numbers.isIdle(1));
	numbers.opened(1);
	numbers.opened(3);
	numbers.opened(9);
	numbers.opened(11);
	t.same(
		[1, 3, 5, 7, 9, 11].map((id) => numbers.wasSkipped(id)),
		[false, false, true, true, false, false],
	);
	t.notOk(numbers.isIdle(5), 'closed by being passed over');
	t.ok(numbers.isIdle(13));
	t.ok(numbers.isIdle(2));
	numbers.lastServed = 11;
	t.ok(numbers.isIgnored(13), 'told so by GOAWAY');
	const first = new StreamNumbers(true);
	first.opened(7);
	t.ok(first.wasSkipped(1));
	t.ok(first.wasSkipped(5));
	const client = new StreamNumbers(false);
	client.lastOwn += 2;
	t.equal(client.lastOwn, 1);
	t.notOk(client.isIdle(1));
	t.ok(client.isIdle(3));
});

t.test('only so many resets and gaps are remembered', async (t) => {
	const numbers = new StreamNumbers(true);
	for (let id = 1; id < 10_000; id += 4) {
		numbers.opened(id);
		numbers.reset(id);
	}
	t.notOk(numbers.isIgnored(1));
	t.ok(numbers.isIgnored(9997));
	t.notOk(numbers.wasSkipped(3));
	t.ok(numbers.wasSkipped(9995));
});
