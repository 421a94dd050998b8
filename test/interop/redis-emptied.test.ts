/** A redis-server that loses what was in it: everything is told again, for nodes that are away by the others. */
import t from 'tap';
import { skipUnlessRedis, startRedis } from '../fixtures/redis.js';
import type { RedisNode } from '../fixtures/redis-node.js';
import { show, startNode, startNodes, TIMING } from '../fixtures/redis-nodes.js';
import { StallingLink } from '../fixtures/stalling-link.js';
import { waitFor } from '../fixtures/wait-for.js';

const skip = skipUnlessRedis();

t.test('redis is killed and comes back empty', { skip }, async (t) => {
	const redis = await startRedis(t);
	const nodes = await startNodes(t, redis.url, 'a', 'b', 'c');
	const [a, b] = nodes as [RedisNode, RedisNode];
	a.request('k', 5);
	await show(nodes, 'k', 5);
	await redis.kill();
	await waitFor('it is noticed', () => nodes.every(({ log }) => log.length === 1));
	a.request('k', 2);
	b.request('k', 1);
	b.request('new', 1);
	t.equal(a.counts('k')[0], 7, 'counted here at once');
	t.equal(b.counts('k')[0], 6);
	await redis.start();
	await show(nodes, 'k', 8);
	await show(nodes, 'new', 1);
	await waitFor('quiet', () => nodes.every(({ isQuiet }) => isQuiet));
	for (const { log } of nodes) {
		t.equal(log.length, 3);
		t.match(log[1], /is well again after/);
		t.match(log[2], /has lost what this node had told/);
	}
});

t.test('FLUSHALL, and a table removed by hand', { skip }, async (t) => {
	const redis = await startRedis(t);
	const nodes = await startNodes(t, redis.url, 'a', 'b');
	for (const node of nodes) node.request('k', 5);
	await show(nodes, 'k', 10);
	await redis.client.flushall();
	await waitFor('told again', async () => (await redis.client.hlen('{test//req.local}:share:a')) === 1);
	const late = startNode(t, 'late', redis.url);
	await show([...nodes, late], 'k', 10);
	t.equal(late.counts('k')[2], nodes[0]!.counts('k')[2]);
	for (const { log } of nodes) t.match(log, [/has lost what this node had told/]);
	await redis.client.del('{test//req.local}:share:a', '{test//req.local}:shares');
	nodes[0]!.request('k');
	await waitFor('told again', async () => (await redis.client.hlen('{test//req.local}:share:a')) === 1);
	const later = startNode(t, 'later', redis.url);
	await show([...nodes, late, later], 'k', 11);
});

t.test('redis comes back empty while a node is away: the others write its share back', { skip }, async (t) => {
	const redis = await startRedis(t);
	const nodes = await startNodes(t, redis.url, 'a', 'b', 'c');
	const [a, b, c] = nodes as [RedisNode, RedisNode, RedisNode];
	for (const node of nodes) node.request('k', 2);
	for (let i = 0; i < 1000; i++) a.request(`k${i}`);
	a.connect('k');
	await show(nodes, 'k', 6);
	await show(nodes, 'k999', 1);
	await waitFor('quiet', () => nodes.every(({ isQuiet }) => isQuiet));
	a.replication.close();
	await show([b, c], 'k', 0, 'conn_cur');
	await redis.client.flushall();
	const share = '{test//req.local}:share:a';
	await waitFor('its share', async () => (await redis.client.hlen(share)) === 1001);
	t.match(await redis.client.hget('{test//req.local}:shares', 'a'), /^\d+ 3 0 /, 'in three batches, told by nobody');
	// Only one has done it, and nobody takes it for alive.
	const said = [...b.log, ...c.log].filter((line) => /had told, which is away/.test(line));
	t.equal(said.length, 1, said.join('\n'));
	t.notOk(
		[b, c].some((node) => node.replication.describe().tables[0]?.nodes.some((one) => one.name === 'a' && one.isAlive)),
	);
	const again = startNode(t, 'a', redis.url);
	await show([again, b, c], 'k', 6);
	t.equal(again.counts('k')[1], 2, 'its own');
	again.request('k');
	again.request('k7');
	await show([again, b, c], 'k', 7);
	await show([again, b, c], 'k7', 2);
	await show([again, b, c], 'k', 0, 'conn_cur');
});

t.test('a node that dies together with Redis', { skip }, async (t) => {
	const redis = await startRedis(t);
	const nodes = await startNodes(t, redis.url, 'a', 'b', 'c');
	const [a, b, c] = nodes as [RedisNode, RedisNode, RedisNode];
	for (const node of nodes) node.request('k', 2);
	a.connect('k');
	await show(nodes, 'k', 6);
	await show([b, c], 'k', 1, 'conn_cur');
	await redis.kill();
	a.replication.close();
	await redis.start();
	// It was alive when Redis was there last, and nothing of its heart is in the new one.
	await waitFor('its share', async () => (await redis.client.hlen('{test//req.local}:share:a')) === 1);
	await show([b, c], 'k', 0, 'conn_cur');
	const again = startNode(t, 'a', redis.url);
	again.request('k');
	await show([again, b, c], 'k', 7);
	t.equal(again.counts('k')[1], 3);
});

t.test('a node that is cut off while Redis is emptied goes on as itself', { skip }, async (t) => {
	const redis = await startRedis(t);
	const link = await StallingLink.start(t, redis.port);
	const [b, c] = (await startNodes(t, redis.url, 'b', 'c')) as [RedisNode, RedisNode];
	const timing = { ...TIMING, slowMs: 100, silentMs: 300 };
	const a = startNode(t, 'a', `redis://127.0.0.1:${link.port}`, { timing });
	await waitFor('it writes', () => a.isWriting);
	for (const node of [a, b, c]) node.request('k', 2);
	a.request('other');
	await show([a, b, c], 'k', 6);
	await show([a, b, c], 'other', 1);
	link.stall();
	a.request('k', 5);
	await waitFor('it is gone', () =>
		[b, c].every((node) =>
			node.replication.describe().tables[0]?.nodes.some((one) => one.name === 'a' && !one.isAlive),
		),
	);
	await redis.client.flushall();
	await waitFor('its share', async () => (await redis.client.hlen('{test//req.local}:share:a')) === 2);
	link.heal();
	await show([a, b, c], 'k', 11);
	a.request('k');
	await show([a, b, c], 'k', 12);
	t.same([a.counts('k')[1], a.counts('other')[0]], [8, 1]);
	t.equal(a.replication.describe().claim, 'writing');
});
