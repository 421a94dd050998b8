/** `hash-preserve-affinity`: a key leaves its server when that is busy, or only when nobody more may wait for it. */
import t from 'tap';
import type { BalanceModel, HashAffinity } from '../../../lib/config/model.js';
import { backendModel, CONSISTENT, FakeRequest, nameOf, serverModel, single } from '../support.js';

const BY_KEY: BalanceModel = { algorithm: 'hdr', name: 'x-key', useDomainOnly: false };

/** What becomes of this many requests of one key that all stay. */
function choices(hashAffinity: HashAffinity, count: number, maxqueue = 0): string[] {
	const servers = [1, 2, 3].map((n) => serverModel(`s${n}`, { maxconn: 1, maxqueue }));
	const { backend } = single(backendModel(servers, BY_KEY, { hashType: CONSISTENT, hashAffinity }));
	const request = (): FakeRequest => new FakeRequest({ headers: { 'x-key': 'one' } });
	return Array.from({ length: count }, () => nameOf(backend.choose(request())));
}

t.test('always: waits for its own', async (t) => {
	const [own, ...others] = choices('always', 4);
	t.match(own, /^s[123]$/);
	t.same(others, ['queued', 'queued', 'queued']);
});

t.test('maxconn: goes on to the next of the ring while there is a free slot, then waits', async (t) => {
	const made = choices('maxconn', 5);
	t.same([...new Set(made.slice(0, 3))].sort(), ['s1', 's2', 's3']);
	t.same(made.slice(3), ['queued', 'queued']);
	t.equal(made[0], choices('always', 1)[0], 'a free server keeps its key');
});

t.test('maxqueue: waits while it may, then goes on', async (t) => {
	const made = choices('maxqueue', 6, 1);
	t.equal(made[1], 'queued');
	t.match(made[2], /^s[123]$/);
	t.not(made[2], made[0]);
	t.equal(made[3], 'queued');
	t.same([...new Set([made[0], made[2], made[4]])].sort(), ['s1', 's2', 's3']);
	t.same(choices('maxqueue', 3), [made[0], 'queued', 'queued'], 'a queue without a limit is never full');
});
