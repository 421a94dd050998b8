/** The memory of a cache: what is found, replaced, evicted and pinned; checked against a plain Map over random steps. */
import t from 'tap';
import { BLOCK_BYTES, CacheStore } from '../../lib/cache/store.js';

const MODEL = { totalSizeBytes: 64 * BLOCK_BYTES };
const fresh = (): CacheStore => new CacheStore(MODEL, CacheStore.allocate(MODEL));

function put(
	store: CacheStore,
	key: string,
	body: Buffer,
	options: { expiresMs?: number; head?: string } = {},
): boolean {
	const head = `${key}\n${options.head ?? ''}`;
	const object = store.begin(head, key.length);
	if (object === undefined) return false;
	for (let at = 0; at < body.length; at += 700) {
		if (!store.append(object, body.subarray(at, at + 700))) return false;
	}
	const dates = { storedMs: 0, expiresMs: options.expiresMs ?? 1000 };
	return store.publish(object, key, dates, 10, (other) => other === head);
}

function get(store: CacheStore, key: string, nowMs = 1): Buffer | undefined {
	const found = store.find(key, nowMs, () => true);
	if (found === undefined) return undefined;
	const place = store.bodyOf(found.index);
	const pieces: Buffer[] = [];
	while (place.leftBytes > 0) pieces.push(store.readBody(place, 333));
	store.release(found.index);
	return Buffer.concat(pieces);
}

const bytes = (length: number, seed: number): Buffer =>
	Buffer.from(Array.from({ length }, (_, index) => (index * 7 + seed) & 255));

t.test('what was stored is found, whole, over any number of blocks', async (t) => {
	const store = fresh();
	for (const length of [0, 1, BLOCK_BYTES - 3, BLOCK_BYTES, BLOCK_BYTES + 1, 5000, 20_000]) {
		const body = bytes(length, length);
		t.ok(put(store, `k${length}`, body), `${length} bytes`);
		t.same(get(store, `k${length}`), body);
	}
	t.equal(get(store, 'other'), undefined);
});

t.test('a head longer than a block', async (t) => {
	const store = fresh();
	const head = 'h'.repeat(3 * BLOCK_BYTES);
	put(store, 'key', bytes(100, 1), { head });
	const found = store.find('key', 1, () => true);
	t.equal(found?.head, `key\n${head}`);
	if (found !== undefined) {
		t.same(store.readBody(store.bodyOf(found.index), 1000), bytes(100, 1));
		store.release(found.index);
	}
});

t.test('the same thread sees what another one stored: one memory, two attachments', async (t) => {
	const buffer = CacheStore.allocate(MODEL);
	const one = new CacheStore(MODEL, buffer);
	const two = new CacheStore(MODEL, buffer);
	put(one, 'k', bytes(3000, 3));
	t.same(get(two, 'k'), bytes(3000, 3));
	t.equal(two.remove('k'), 1);
	t.equal(get(one, 'k'), undefined);
	t.equal(one.freeBlocks, one.blockCount);
});

t.test('an expired object is not found, and its room is given back', async (t) => {
	const store = fresh();
	put(store, 'k', bytes(3000, 3), { expiresMs: 50 });
	t.ok(get(store, 'k', 49));
	t.equal(get(store, 'k', 50), undefined);
	t.equal(store.freeBlocks, store.blockCount);
});

t.test('an object that is being read keeps its bytes when it is replaced and evicted', async (t) => {
	const store = fresh();
	put(store, 'k', bytes(5000, 1));
	const found = store.find('k', 1, () => true);
	t.ok(found);
	if (found === undefined) return;
	put(store, 'k', bytes(5000, 2));
	for (let i = 0; i < 40; i++) put(store, `fill${i}`, bytes(4000, i));
	t.same(store.readBody(store.bodyOf(found.index), 5000), bytes(5000, 1));
	store.release(found.index);
	const used = store.list().reduce((sum, object) => sum + object.blocks, 0);
	t.equal(store.freeBlocks, store.blockCount - used, 'every block is in an object or free');
});

t.test('what was used longest ago makes room', async (t) => {
	const store = fresh();
	for (let i = 0; i < 6; i++) put(store, `k${i}`, bytes(10 * BLOCK_BYTES - 10, i));
	t.ok(get(store, 'k0'));
	put(store, 'new', bytes(10 * BLOCK_BYTES - 10, 9));
	t.ok(get(store, 'k0'), 'used lately');
	t.equal(get(store, 'k1'), undefined, 'the oldest');
	t.ok(get(store, 'new'));
});

t.test('an object larger than the cache is refused and leaves nothing behind', async (t) => {
	const store = fresh();
	t.notOk(put(store, 'k', bytes(65 * BLOCK_BYTES, 1)));
	t.equal(store.freeBlocks, store.blockCount);
});

t.test('at most so many objects of one key', async (t) => {
	const store = fresh();
	const publish = (head: string): boolean => {
		const object = store.begin(`k\n${head}`, 1);
		return (
			object !== undefined &&
			store.publish(object, 'k', { storedMs: 0, expiresMs: 10 }, 2, (old) => old === `k\n${head}`)
		);
	};
	t.ok(publish('a'));
	t.ok(publish('b'));
	t.notOk(publish('c'), 'no third');
	t.ok(publish('a'), 'one that replaces');
	t.equal(store.list().length, 2);
});

t.test('random steps agree with a Map, and no block is lost', async (t) => {
	let seed = 20261123;
	t.comment(`seed ${seed}`);
	const random = (below: number): number => {
		seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
		return seed % below;
	};
	const store = fresh();
	const known = new Map<string, Buffer>();
	for (let step = 0; step < 3000; step++) {
		const key = `key${random(12)}`;
		switch (random(4)) {
			case 0:
			case 1: {
				const body = bytes(random(9000), step);
				if (put(store, key, body)) known.set(key, body);
				break;
			}
			case 2:
				store.remove(key);
				known.delete(key);
				break;
			default: {
				const found = get(store, key);
				// Evicted is allowed, another body is not.
				if (found !== undefined && !found.equals(known.get(key) ?? Buffer.alloc(0))) t.fail(`step ${step}: ${key}`);
			}
		}
	}
	const used = store.list().reduce((sum, object) => sum + object.blocks, 0);
	t.equal(store.freeBlocks, store.blockCount - used);
});
