import t from 'tap';
import { Arena, CACHE_LINE_BYTES } from '../../lib/shared/arena.js';

t.test('fields lie apart, on their own cache lines, and are the same in every attachment', async (t) => {
	const description = { flags: ['int32', 3], totals: ['float64', 9], more: ['int32', 1] } as const;
	const arena = new Arena(description);
	const buffer = arena.allocate();
	t.equal(buffer.byteLength, CACHE_LINE_BYTES * 4);
	const views = arena.attach(buffer);
	t.equal(views.flags.length, 3);
	t.equal(views.totals.length, 9);
	for (const view of Object.values(views)) t.equal(view.byteOffset % CACHE_LINE_BYTES, 0);
	views.flags.fill(-1);
	views.totals.fill(1.5);
	views.more[0] = 7;
	const again = new Arena(description).attach(buffer);
	t.same([...again.flags], [-1, -1, -1]);
	t.ok(again.totals.every((value) => value === 1.5));
	t.equal(again.more[0], 7);
});

t.test('a buffer of another layout is refused', async (t) => {
	t.throws(() => new Arena({ a: ['int32', 1] }).attach(new SharedArrayBuffer(128)), RangeError);
});

t.test('names are only names', async (t) => {
	const arena = new Arena({ ['__proto__']: ['int32', 1], constructor: ['float64', 1] });
	t.equal(Object.getPrototypeOf(arena.attach(arena.allocate())), Object.prototype);
});
