import t from 'tap';
import { LagWatch } from '../../lib/peers/lag.js';

t.test('the age of what is missing', async (t) => {
	const watch = new LagWatch();
	t.equal(watch.lagMs('p', 10, 10, 0), 0);
	t.equal(watch.lagMs('p', 20, 10, 1000), 0, 'seen now for the first time');
	t.equal(watch.lagMs('p', 30, 10, 3000), 2000);
	t.equal(watch.lagMs('p', 40, 20, 5000), 2000, 'the first ten have come, those after them were there at 3000');
	t.equal(watch.lagMs('p', 40, 40, 6000), 0);
	t.equal(watch.lagMs('q', 5, 0, 6000), 0, 'another peer');
});

t.test('who follows a busy table is never far behind', async (t) => {
	const watch = new LagWatch();
	for (let second = 1; second < 100; second++) {
		t.ok(watch.lagMs('p', second * 1000, second * 1000 - 10, second * 1000) <= 1000);
	}
});

t.test('ids wrap; a peer that is away for long costs a bounded memory', async (t) => {
	const watch = new LagWatch();
	watch.lagMs('p', 0x7ffffffe | 0, 0x7ffffff0, 0);
	t.equal(watch.lagMs('p', -0x7ffffff0, 0x7ffffff0, 2000), 2000);
	t.equal(watch.lagMs('p', -0x7ffffff0, -0x7ffffff0, 2000), 0);
	for (let second = 0; second < 5000; second++) watch.lagMs('away', second + 1, 0, second * 1000);
	t.equal(watch.lagMs('away', 5000, 0, 5_000_000), 5_000_000, 'the oldest counts');
	t.equal(watch.lagMs('away', 5000, 5000, 5_000_000), 0);
});
