/** Redis Cluster on three nodes, and Sentinel when the master dies: real servers on loopback. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { RedisTiming } from '../../lib/aggregate/redis/replication.js';
import { freePorts } from '../fixtures/ports.js';
import { RedisServer, skipUnlessRedis, startRedis } from '../fixtures/redis.js';
import { RedisNode, redisModel } from '../fixtures/redis-node.js';
import { waitFor } from '../fixtures/wait-for.js';

const skip = skipUnlessRedis();
/** That a busy machine is slow is not said. */
const PATIENT = { slowMs: 20_000, silentMs: 30_000 };

async function startNodes(
	t: { teardown(callback: () => unknown): void },
	url: string,
	names: readonly string[],
	timing: Partial<RedisTiming> = {},
): Promise<RedisNode[]> {
	const nodes = names.map((name) => new RedisNode(name, { model: redisModel(url), timing }).start());
	t.teardown(() => {
		for (const { replication } of nodes) replication.close();
	});
	await waitFor('all to write', () => nodes.every(({ isWriting }) => isWriting));
	return nodes;
}

async function show(nodes: readonly RedisNode[], key: string, sum: number): Promise<void> {
	try {
		await waitFor(`sum ${sum}`, () => nodes.every((node) => node.counts(key)[0] === sum), 40_000);
	} catch (error) {
		throw new Error(
			`${(error as Error).message}: ${nodes.map((node) => `${node.counts(key)} ${node.log}`).join('; ')}`,
		);
	}
}

t.test('three nodes of a Redis Cluster', { skip }, async (t) => {
	const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--appendonly', 'no'];
	// Each listens for the others on a port of its own, ten thousand higher if not told.
	const ports = await freePorts(6);
	const servers = await Promise.all(
		[0, 1, 2].map((index) =>
			new RedisServer(ports[index]!, [...args, '--cluster-port', `${ports[index + 3]}`]).start(),
		),
	);
	t.teardown(() => Promise.all(servers.map((server) => server.stop())));
	const bounds = [0, 5461, 10_923, 16_384];
	for (const [index, server] of servers.entries()) {
		await server.client.call('CLUSTER', 'ADDSLOTSRANGE', bounds[index]!, bounds[index + 1]! - 1);
		await server.client.call('CLUSTER', 'MEET', '127.0.0.1', ports[0]!, ports[3]!);
	}
	await waitFor('the cluster', async () => {
		const infos = await Promise.all(servers.map((server) => server.client.cluster('INFO')));
		return infos.every((info) => /cluster_state:ok/.test(info) && /cluster_known_nodes:3/.test(info));
	});
	const nodes = await startNodes(t, `redis+cluster://127.0.0.1:${ports[0]}`, ['a', 'b', 'c']);
	for (const [index, node] of nodes.entries()) node.request('k', index + 1);
	await show(nodes, 'k', 6);
	await waitFor('quiet', () => nodes.every(({ isQuiet }) => isQuiet));
	// Who has said all may still have to hear it.
	await waitFor('one value of what is overwritten', () => new Set(nodes.map((node) => node.counts('k')[2])).size === 1);
	t.pass('one value of what is overwritten');
	const sizes = await Promise.all(servers.map((server) => server.client.dbsize()));
	t.ok(sizes.filter((size) => size > 0).length > 1, `keys are spread: ${sizes}`);
	// One server is away: its tables wait, and are made good.
	const owner = sizes.indexOf(Math.max(...sizes));
	servers[owner]!.signal('SIGSTOP');
	for (const node of nodes) node.request('k');
	await waitFor('it is noticed', () => nodes.every(({ log }) => log.length > 0));
	servers[owner]!.signal('SIGCONT');
	await show(nodes, 'k', 9);
	await waitFor('quiet', () => nodes.every(({ isQuiet }) => isQuiet), 40_000);
});

t.test('Sentinel makes the replica the master', { skip }, async (t) => {
	const master = await startRedis(t);
	const replica = await startRedis(t, ['--replicaof', '127.0.0.1', `${master.port}`]);
	const [sentinelPort] = await freePorts(1);
	const file = join(replica.dir, 'sentinel.conf');
	writeFileSync(
		file,
		`port ${sentinelPort}\nbind 127.0.0.1\ndir ${replica.dir}
sentinel monitor mymaster 127.0.0.1 ${master.port} 1
sentinel down-after-milliseconds mymaster 700
sentinel failover-timeout mymaster 3000
`,
	);
	const sentinel = await new RedisServer(sentinelPort!, [file, '--sentinel']).start();
	t.teardown(() => sentinel.stop());
	await waitFor('the replica is known', async () => {
		const known = (await sentinel.client.call('SENTINEL', 'replicas', 'mymaster')) as unknown[];
		return known.length === 1 && /master_link_status:up/.test(await replica.client.info('replication'));
	});
	const nodes = await startNodes(t, `redis+sentinel://127.0.0.1:${sentinelPort}/mymaster`, ['a', 'b'], PATIENT);
	const [a, b] = nodes as [RedisNode, RedisNode];
	for (let i = 0; i < 500; i++) for (const node of nodes) node.request(`k${i % 50}`);
	await show(nodes, 'k7', 20);
	// Else it would be a loss of all, which is another test's (redis-emptied).
	await waitFor('the replica to have it', async () => (await replica.client.hlen('{test//req.local}:share:b')) === 50);
	const killedMs = performance.now();
	await master.kill();
	let counted = 0;
	await waitFor(
		'the fail-over',
		async () => {
			a.request('k7');
			b.request('k8');
			counted++;
			return /role:master/.test(await replica.client.info('replication'));
		},
		40_000,
	);
	const promotedMs = performance.now() - killedMs;
	await show(nodes, 'k7', 20 + counted);
	await show(nodes, 'k8', 20 + counted);
	const backMs = performance.now() - killedMs;
	t.comment(`replica promoted after ${Math.round(promotedMs)} ms, sums exact after ${Math.round(backMs)} ms`);
	await waitFor('quiet', () => nodes.every(({ isQuiet }) => isQuiet));
	for (let i = 0; i < 50; i++) if (i !== 7 && i !== 8) t.equal(a.counts(`k${i}`)[0], 20);
	// Gone, and well again; on a busy machine once more while the sentinels are asked.
	for (const { log } of nodes) {
		t.equal(log.length % 2, 0, log.join('\n'));
		for (const [index, line] of log.entries()) t.equal(/ is well again /.test(line), index % 2 === 1, line);
	}
	// A node that starts now finds all of it on the new master.
	const [late] = await startNodes(t, `redis+sentinel://127.0.0.1:${sentinelPort}/mymaster`, ['late']);
	await show([late!], 'k7', 20 + counted);
});
