/** Nodes that share their tables through a real redis-server, and what may happen to it and to them. */
import t from 'tap';
import { skipUnlessRedis, startRedis } from '../fixtures/redis.js';
import { RedisNode, redisModel } from '../fixtures/redis-node.js';
import { show, startNode, startNodes, TIMING } from '../fixtures/redis-nodes.js';
import { waitFor } from '../fixtures/wait-for.js';

const skip = skipUnlessRedis();
const seconds = (count: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, count * 1000));

t.test('three nodes: sums, rates, connections, and the last value of what is overwritten', { skip }, async (t) => {
	const redis = await startRedis(t);
	const nodes = await startNodes(t, redis.url, 'a', 'b', 'c');
	const [a, b, c] = nodes as [RedisNode, RedisNode, RedisNode];
	a.request('k', 2);
	b.request('k', 3);
	const end = c.connect('k');
	await show(nodes, 'k', 5);
	await show(nodes, 'k', 5, 'http_req_rate');
	await show(nodes, 'k', 1, 'conn_cur');
	end();
	await show(nodes, 'k', 0, 'conn_cur');
	t.same(
		nodes.map((node) => node.counts('k')[1]),
		[2, 3, 0],
		'each has its own share',
	);
	await waitFor('quiet', () => nodes.every(({ isQuiet }) => isQuiet));
	const nowMs = a.clock.monotonicMs();
	b.common.setByKey('m', b.common.slot('gpt0')!, 0, 7, nowMs);
	await waitFor('7', () => nodes.every((node) => node.value(node.common, 'm', 'gpt0') === 7));
	c.common.setByKey('m', c.common.slot('gpt0')!, 0, 9, nowMs);
	await waitFor('9', () => nodes.every((node) => node.value(node.common, 'm', 'gpt0') === 9));
	t.same(
		nodes.flatMap(({ log }) => log),
		[],
	);
	const status = a.replication.describe();
	t.match(status, { section: 'cluster', isReady: true, node: 'a', claim: 'writing', trouble: undefined });
	t.match(status.tables[0]?.nodes.map(({ name, isAlive }) => [name, isAlive]).sort(), [
		['b', true],
		['c', true],
	]);
});

t.test('all nodes write the same keys at once: they end with one value', { skip }, async (t) => {
	const redis = await startRedis(t);
	const nodes = await startNodes(t, redis.url, 'a', 'b', 'c');
	for (let round = 0; round < 40; round++) {
		for (const [index, node] of nodes.entries()) {
			for (let key = 0; key < 20; key++) {
				node.common.setByKey(`k${key}`, node.common.slot('gpt0')!, 0, round * 10 + index, node.clock.monotonicMs());
			}
		}
		await seconds(0.004);
	}
	const values = (node: RedisNode): string =>
		Array.from({ length: 20 }, (_, key) => node.value(node.common, `k${key}`, 'gpt0')).join();
	await waitFor('one value', () => nodes.every((node) => node.isQuiet && values(node) === values(nodes[0]!)));
	t.notMatch(values(nodes[0]!), /\b0\b/);
});

t.test('a node that is killed: its connections leave, its share stays, and is its own again', { skip }, async (t) => {
	const redis = await startRedis(t);
	const nodes = await startNodes(t, redis.url, 'a', 'b');
	const [a, b] = nodes as [RedisNode, RedisNode];
	a.request('k', 4);
	a.request('only a');
	b.request('k', 3);
	a.connect('k');
	await show(nodes, 'k', 7);
	await show(nodes, 'k', 1, 'conn_cur');
	a.replication.close();
	await show([b], 'k', 0, 'conn_cur');
	t.equal(b.counts('k')[0], 7);
	const again = startNode(t, 'a', redis.url);
	again.request('k', 2);
	await show([again, b], 'k', 9);
	t.same(again.counts('k')[1], 6, 'its own');
	await waitFor('what is overwritten', () => again.counts('only a')[2] === 1);
	t.same(again.counts('only a'), [1, 1, 1]);
	await again.replication.leave();
	const third = startNode(t, 'a', redis.url);
	third.request('k');
	await show([third, b], 'k', 10);
	t.same([...again.log, ...third.log, ...b.log], []);
});

t.test('the cluster starts from nothing', { skip }, async (t) => {
	const redis = await startRedis(t);
	const first = await startNodes(t, redis.url, 'a', 'b', 'c');
	for (const [index, node] of first.entries()) node.request('k', index + 1);
	await show(first, 'k', 6);
	await waitFor('quiet', () => first.every(({ isQuiet }) => isQuiet));
	for (const node of first) node.replication.close();
	const second = await startNodes(t, redis.url, 'a', 'b', 'c');
	await show(second, 'k', 6);
	t.same(
		second.map((node) => node.counts('k')[1]),
		[1, 2, 3],
	);
	t.same(
		second.map((node) => node.counts('k')[2]),
		second.map(() => first[0]!.counts('k')[2]),
		'what is overwritten too',
	);
	for (const node of second) node.request('k');
	await show(second, 'k', 9);
});

t.test('redis stands still', { skip }, async (t) => {
	const redis = await startRedis(t);
	const timing = { ...TIMING, slowMs: 500, silentMs: 3000 };
	const nodes = ['a', 'b'].map((name) => startNode(t, name, redis.url, { timing }));
	const [a, b] = nodes as [RedisNode, RedisNode];
	await waitFor('all to write', () => nodes.every(({ isWriting }) => isWriting));
	const end = a.connect('k');
	a.request('k', 5);
	await show(nodes, 'k', 5);
	redis.signal('SIGSTOP');
	a.request('k', 2);
	b.request('k', 2);
	await waitFor('it is noticed', () => nodes.every(({ log }) => log.length > 0));
	t.match(a.log[0], /no answer for 500 ms/);
	await seconds(1.5);
	redis.signal('SIGCONT');
	// No heart could beat meanwhile: none has stopped for that.
	const seen = new Set<number>();
	const looking = setInterval(() => {
		for (const node of nodes) seen.add(node.counts('k', 'conn_cur')[0]);
	}, 1);
	t.teardown(() => clearInterval(looking));
	await show(nodes, 'k', 9);
	await show(nodes, 'k', 1, 'conn_cur');
	await waitFor('quiet', () => nodes.every(({ isQuiet }) => isQuiet));
	t.same([...seen], [1]);
	for (const { log } of nodes) t.match(log.slice(-2), [/no answer/, /is well again/]);
	end();
	await show(nodes, 'k', 0, 'conn_cur');
});

t.test('redis is read-only for a while', { skip }, async (t) => {
	const master = await startRedis(t);
	const replica = await startRedis(t, ['--replicaof', '127.0.0.1', `${master.port}`]);
	await waitFor('replication', async () => /master_link_status:up/.test(await replica.client.info('replication')));
	const writer = (await startNodes(t, master.url, 'w'))[0]!;
	writer.request('k', 4);
	// What the replica has not heard of before it is promoted, it never will.
	await waitFor('its share', async () => (await replica.client.hlen('{test//req.local}:share:w')) === 1);
	const node = startNode(t, 'a', replica.url);
	node.request('k', 2);
	await waitFor('it is noticed', () => node.log.length > 0);
	t.match(node.log, [/READONLY/]);
	t.equal(node.counts('k')[1], 2);
	await replica.client.replicaof('NO', 'ONE');
	await show([node], 'k', 6);
	await waitFor('well', () => node.log.length === 2);
	t.match(node.log[1], /well again/);
});

t.test('a node that was cut off for longer than the log is kept', { skip }, async (t) => {
	const redis = await startRedis(t);
	const nodes = await startNodes(t, redis.url, 'a', 'b', 'c');
	const [a, b, c] = nodes as [RedisNode, RedisNode, RedisNode];
	for (const node of nodes) node.request('k');
	await show(nodes, 'k', 3);
	await waitFor('quiet', () => nodes.every(({ isQuiet }) => isQuiet));
	// Batches that nobody has read: as if they had been trimmed while a node was away.
	const write = redis.client.multi();
	for (const node of nodes) node.request('k', 10);
	for (let i = 0; i < 200; i++) {
		await redis.client.xtrim('{test//req.local}:shares:log', 'MAXLEN', 0);
		if (i % 20 === 0) a.request(`x${i}`);
	}
	write.discard();
	b.request('k');
	await show(nodes, 'k', 34);
	for (let i = 0; i < 200; i += 20) await show([b, c], `x${i}`, 1);
});

t.test('two nodes of one name', { skip }, async (t) => {
	const redis = await startRedis(t);
	const nodes = await startNodes(t, redis.url, 'a', 'b');
	const [a, b] = nodes as [RedisNode, RedisNode];
	a.request('k', 3);
	b.request('k', 4);
	await show(nodes, 'k', 7);
	const twin = startNode(t, 'a', redis.url);
	twin.request('k', 5);
	await show([a, b, twin], 'k', 12);
	t.match(twin.log, [/another process called 'a' is alive/]);
	t.equal(twin.replication.describe().claim, 'apart');
	a.request('k');
	twin.request('k');
	await show([a, b, twin], 'k', 14);
	t.same(
		[a, b, twin].map((node) => node.counts('k')[1]),
		[4, 4, 6],
	);
});

t.test('what others have put under our prefix', { skip }, async (t) => {
	const redis = await startRedis(t);
	await redis.client.hset('{test//req.local}:shares', 'x', 'rubbish', 'y', '1 2 3');
	await redis.client.hset('{test//req.local}:shares', 'z', '1 1 1 deadbeef');
	const nodes = await startNodes(t, redis.url, 'a', 'b');
	const [a, b] = nodes as [RedisNode, RedisNode];
	a.request('k', 2);
	b.request('k', 3);
	await show(nodes, 'k', 5);
	t.match(a.log.join('\n'), /'\{test\/\/req.local\}:shares' holds something that is not ours/);
	t.match(a.log.join('\n'), /of node 'z' has other keys or stores other data/);
	const good = (await redis.client.hgetall('{test//req.local}:share:b')) as Record<string, string>;
	const [[field, value] = ['', '']] = Object.entries(good);
	await redis.client.hset(
		'{test//req.local}:share:b',
		'Zm9vCg==',
		value!,
		'not base64!',
		'x',
		field!,
		`${value!.startsWith('A') ? 'B' : 'A'}${value!.slice(1)}`,
	);
	await redis.client.xadd('{test//req.local}:shares:log', '*', 'hello', 'world');
	await redis.client.xadd(
		'{test//req.local}:shares:log',
		'*',
		...['n', 'b', 'l', '9999999999999 1 0 52ca2e7a', 'f', '-', 't', 'x', 'e', 'a b c\n\n d'],
	);
	const c = startNode(t, 'c', redis.url);
	await waitFor('it is said', () => /share:b' holds entries that are damaged or not ours/.test(c.log.join('\n')));
	await show([c], 'k', 2);
	b.request('k');
	await show([a, b, c], 'k', 6);
});

t.test('a key that is of another type', { skip }, async (t) => {
	const redis = await startRedis(t);
	await redis.client.set('{test//req.local}:share:a', 'mine');
	const node = startNode(t, 'a', redis.url);
	node.request('k');
	await waitFor('it is said', () => node.log.length > 0);
	t.match(node.log, [/WRONGTYPE/]);
	t.equal(node.counts('k')[0], 1);
	await redis.client.del('{test//req.local}:share:a');
	await waitFor('it writes', () => node.isQuiet);
	t.match(node.log, [/WRONGTYPE/, /well again/]);
});

t.test('any key of ours is of another type for a while', { skip }, async (t) => {
	const redis = await startRedis(t);
	const nodes = await startNodes(t, redis.url, 'a', 'b');
	const [a, b] = nodes as [RedisNode, RedisNode];
	let count = 0;
	const both = (): void => {
		for (const node of nodes) node.request('k');
		count += 2;
	};
	both();
	await show(nodes, 'k', count);
	const keys = ['{test}:owners', '{test}:beats'];
	for (const part of ['shares', 'shares:log', 'share:a', 'share:b', 'writers']) keys.push(`{test//req.local}:${part}`);
	for (const key of keys) {
		const said = nodes.map(({ log }) => log.length);
		await redis.client.set(key, 'mine');
		both();
		if (!key.endsWith('writers')) {
			await waitFor(`${key} is said`, () => nodes.some(({ log }, index) => log.length > said[index]!));
			t.equal(a.counts('k')[1], count / 2, 'counted on');
		}
		await redis.client.del(key);
		await show(nodes, 'k', count);
		await waitFor('quiet', () => nodes.every(({ isQuiet }) => isQuiet));
		const lines = nodes.map(({ log }, index) => log.slice(said[index]));
		t.ok(
			lines.every((one) => one.length <= 4),
			`${key}: ${JSON.stringify(lines)}`,
		);
	}
	// What was lost with the keys is in Redis again.
	const late = startNode(t, 'late', redis.url);
	await show([...nodes, late], 'k', count);
	t.equal(b.counts('k')[1], count / 2);
});

t.test('tables of one name that store other things', { skip }, async (t) => {
	const redis = await startRedis(t);
	const a = (await startNodes(t, redis.url, 'a'))[0]!;
	const store = [
		{ type: 'http_req_cnt', periodMs: undefined, count: undefined },
		{ type: 'http_req_rate', periodMs: 1000, count: undefined },
		{ type: 'conn_cur', periodMs: undefined, count: undefined },
		{ type: 'gpt0', periodMs: undefined, count: undefined },
	];
	const other = startNode(t, 'other', redis.url, { table: { store } });
	const same = startNode(t, 'same', redis.url);
	for (const node of [a, other, same]) node.request('k', 2);
	await show([a, same], 'k', 4);
	await show([other], 'k', 2);
	await waitFor('all say so', () => a.log.length > 0 && other.log.length > 0);
	t.match(a.log.join('\n'), /table 'req.local' of node 'other' has other keys or stores other data/);
	t.equal(other.counts('k')[2], 2, 'not overwritten either');
});

t.test('a reload goes on', { skip }, async (t) => {
	const redis = await startRedis(t);
	const nodes = await startNodes(t, redis.url, 'a', 'b');
	const [a, b] = nodes as [RedisNode, RedisNode];
	a.request('k', 3);
	b.request('k', 3);
	await show(nodes, 'k', 6);
	// The same line: the connection stays.
	a.request('k');
	a.replication.reload([
		{ table: a.own, summed: a.summed },
		{ table: a.common, summed: undefined },
	]);
	a.request('k');
	await show(nodes, 'k', 8);
	// Another line: a new connection, the same process and tables.
	const next = new RedisNode('a', { model: redisModel(redis.url, { intervalMs: 20 }), timing: TIMING, predecessor: a });
	a.replication.close();
	next.start();
	t.teardown(() => next.replication.close());
	next.request('k');
	await show([next, b], 'k', 9);
	await waitFor('quiet', () => next.isQuiet);
	t.equal(next.counts('k')[1], 6);
	t.same([...a.log, ...next.log, ...b.log], []);
});

t.test('nothing stays for ever, with or without expire', { skip }, async (t) => {
	const redis = await startRedis(t);
	for (const expireMs of [undefined, 3_600_000]) {
		const model = redisModel(redis.url, { keepMs: 120_000, prefix: `p${expireMs}` });
		const node = startNode(t, 'a', redis.url, { model, table: { expireMs } });
		await waitFor('it writes', () => node.isWriting);
		for (let i = 0; i < 10; i++) node.request(`k${i}`);
		const lives = async (): Promise<Map<string, number>> => {
			const keys = await redis.client.keys(`*p${expireMs}*`);
			return new Map(await Promise.all(keys.map(async (key) => [key, await redis.client.pttl(key)] as const)));
		};
		await waitFor('all have a life', async () => {
			const found = await lives();
			return found.size === 8 && [...found.values()].every((life) => life > 0);
		});
		const most = (expireMs ?? 60_000) + 60_000;
		for (const [key, life] of await lives()) {
			if (/owners|beats/.test(key)) t.ok(life > 6 * 86_400_000, `${key} ${life} ms`);
			else t.ok(life <= most && life > most - 60_000, `${key} ${life} ms`);
		}
		node.replication.close();
	}
});

t.test('entries that are over leave Redis', { skip }, async (t) => {
	const redis = await startRedis(t);
	const nodes = [startNode(t, 'a', redis.url, { table: { expireMs: 1500, size: 1000 } })];
	await waitFor('it writes', () => nodes[0]!.isWriting);
	for (let i = 0; i < 5000; i++) nodes[0]!.request(`k${i}`);
	await waitFor('written', async () => (await redis.client.hlen('{test//req.local}:share:a')) >= 1000);
	t.ok(
		Number(await redis.client.pttl('{test//req.local}:share:a')) > 0,
		'the hash goes by itself when the node is gone',
	);
	await waitFor('all over', async () => {
		nodes[0]!.own.expire(nodes[0]!.clock.monotonicMs());
		nodes[0]!.common.expire(nodes[0]!.clock.monotonicMs());
		nodes[0]!.request('one');
		const [own, common] = await Promise.all([
			redis.client.hlen('{test//req.local}:share:a'),
			redis.client.keys('*entries:*').then((keys) => redis.client.hlen(keys.find((key) => !key.endsWith('log'))!)),
		]);
		return own < 1300 && common < 1300;
	});
});
