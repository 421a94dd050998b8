/** A real redis-server over TLS, and one that asks who comes: what works, and what is said when it does not. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import t, { type Test as TapTest } from 'tap';
import type { RedisModel } from '../../lib/config/model.js';
import { freePorts } from '../fixtures/ports.js';
import { type RedisServer, skipUnlessRedis, startRedis } from '../fixtures/redis.js';
import { RedisNode, redisModel } from '../fixtures/redis-node.js';
import { waitFor } from '../fixtures/wait-for.js';

const skip = skipUnlessRedis();
const fileOf = (name: string): string => fileURLToPath(new URL(`../fixtures/peers-tls/${name}.pem`, import.meta.url));
const pem = (name: string): string => readFileSync(fileOf(name), 'latin1');

interface Test {
	teardown(callback: () => unknown): void;
}

/** Beside its plain port, through which the test looks at it. */
async function startSecure(t: Test, ...args: string[]): Promise<{ redis: RedisServer; port: number }> {
	const [port] = await freePorts(1);
	const tls = ['--tls-port', `${port}`, '--tls-cert-file', fileOf('node'), '--tls-key-file', fileOf('node')];
	const redis = await startRedis(t, [...tls, '--tls-ca-cert-file', fileOf('ca'), ...args]);
	return { redis, port: port! };
}

function startNode(t: Test, name: string, url: string, changes: Partial<RedisModel> = {}): RedisNode {
	const timing = { slowMs: 20_000, silentMs: 30_000 };
	const node = new RedisNode(name, { model: redisModel(url, changes), timing }).start();
	t.teardown(() => node.replication.close());
	return node;
}

const exact = (nodes: readonly RedisNode[], sum: number): Promise<unknown> =>
	waitFor(`sum ${sum}`, () => nodes.every((node) => node.counts('k')[0] === sum));

/** Trouble is one line, counting goes on. */
async function refused(t: TapTest, node: RedisNode, expected: RegExp): Promise<void> {
	node.request('k', 2);
	await waitFor('it is said', () => node.log.length > 0);
	t.match(node.log[0], expected);
	t.equal(node.counts('k')[0], 2, 'counted here');
	node.request('k');
	// Several attempts later nothing more is said.
	await new Promise((resolve) => setTimeout(resolve, 400));
	// At most the end of a connection, and why.
	t.ok(node.log.length <= 2, node.log.join('\n'));
	t.equal(node.counts('k')[0], 3);
	t.match(node.replication.describe(), { isReady: false });
}

t.test('TLS, certificates of both sides', { skip }, async (t) => {
	const { redis, port } = await startSecure(t, '--tls-auth-clients', 'yes');
	const url = `rediss://127.0.0.1:${port}`;
	const known = { ca: pem('ca'), certificate: pem('node') };
	const nodes = ['a', 'b'].map((name) => startNode(t, name, url, known));
	for (const [index, node] of nodes.entries()) node.request('k', index + 1);
	await exact(nodes, 3);
	t.same(
		nodes.map(({ log }) => log),
		[[], []],
	);

	await t.test('without one of its own', async (t) => {
		await refused(t, startNode(t, 'c', url, { ca: pem('ca') }), /certificate required|ECONNRESET|closed/i);
	});
	await t.test('with one of a stranger', async (t) => {
		await refused(
			t,
			startNode(t, 'c', url, { ca: pem('ca'), certificate: pem('stranger') }),
			/unknown ca|decrypt error|ECONNRESET|closed/i,
		);
	});
	await t.test('it begins anew with a certificate of another authority, and comes back with its own', async (t) => {
		await redis.client.config('SET', 'tls-cert-file', fileOf('stranger'), 'tls-key-file', fileOf('stranger'));
		await redis.client.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
		for (const node of nodes) node.request('k');
		// That a connection has ended, however that showed, may be said before.
		await waitFor('it is said', () => nodes.every(({ log }) => /certificate/i.test(log.at(-1) ?? '')));
		await redis.client.config('SET', 'tls-cert-file', fileOf('node'), 'tls-key-file', fileOf('node'));
		await exact(nodes, 5);
		await waitFor('well', () => nodes.every(({ log }) => /well again/.test(log.at(-1) ?? '')));
		for (const { log } of nodes) t.match(log.at(-2), /certificate/i, 'why it was away');
	});
});

t.test('TLS, the server shows who it is', { skip }, async (t) => {
	const { port } = await startSecure(t, '--tls-auth-clients', 'no');
	const url = `rediss://127.0.0.1:${port}`;
	await t.test('of an authority that is not ours', async (t) => {
		await refused(t, startNode(t, 'a', url, { ca: pem('stranger-ca') }), /certificate|unable to verify/i);
	});
	await t.test('of none that the system knows', async (t) => {
		await refused(t, startNode(t, 'a', url), /certificate|self-signed|unable to verify/i);
	});
	await t.test('under another name', async (t) => {
		// The certificate is for 127.0.0.1 and `node`.
		await refused(t, startNode(t, 'a', `rediss://localhost:${port}`, { ca: pem('ca') }), /altnames|does not match/i);
	});
	await t.test('and nobody looks', async (t) => {
		const node = startNode(t, 'a', url, { verify: 'none' });
		node.request('k', 2);
		await waitFor('written', () => node.isQuiet);
		t.same(node.log, []);
	});
	await t.test('a plain word to a port of TLS', async (t) => {
		await refused(t, startNode(t, 'b', `redis://127.0.0.1:${port}`), /closed|ECONNRESET/i);
	});
});

t.test('users and passwords', { skip }, async (t) => {
	const redis = await startRedis(t, ['--requirepass', 'all of it']);
	const admin = new Redis({ port: redis.port, host: '127.0.0.1', password: 'all of it' });
	t.teardown(() => admin.disconnect());
	const set = async (...rules: string[]): Promise<void> => {
		await admin.call('ACL', 'SETUSER', 'edge', 'reset', 'on', '>p@ss word', '~*', ...rules);
	};
	// What Holdfast needs, and no more: the lines of the documentation.
	await set('-@all', '+@read', '+@write', '+@scripting', '+@connection', '+info', '+time');
	const url = `redis://edge:p%40ss%20word@127.0.0.1:${redis.port}`;
	const byUrl = startNode(t, 'a', url);
	const other = redisModel(`redis://127.0.0.1:${redis.port}`);
	const byFile = new RedisNode('b', {
		model: { ...other, servers: { ...other.servers, user: 'edge', password: 'p@ss word' } },
	}).start();
	t.teardown(() => byFile.replication.close());
	const byDefault = startNode(t, 'c', `redis://:all%20of%20it@127.0.0.1:${redis.port}`);
	const nodes = [byUrl, byFile, byDefault];
	for (const [index, node] of nodes.entries()) node.request('k', index + 1);
	await exact(nodes, 6);
	t.same(
		nodes.flatMap(({ log }) => log),
		[],
	);
	await t.test('a wrong one', async (t) => {
		await refused(t, startNode(t, 'd', `redis://edge:wrong@127.0.0.1:${redis.port}`), /WRONGPASS/);
	});
	await t.test('none', async (t) => {
		await refused(t, startNode(t, 'e', `redis://127.0.0.1:${redis.port}`), /NOAUTH/);
	});
	await t.test('a user who may not write, and then may', async (t) => {
		await set('-@all', '+@read', '+@connection', '+info', '+time');
		byUrl.request('k');
		await waitFor('it is said', () => byUrl.log.length > 0);
		t.match(byUrl.log, [/NOPERM/]);
		t.equal(byUrl.counts('k')[0], 7, 'counted here');
		await set('+@all');
		await exact([byUrl, byDefault], 7);
		await waitFor('well', () => byUrl.log.length === 2);
	});
});
